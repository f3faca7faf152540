"""What made-up people are made of, land by land: names, streets, towns, mail domains.

Every mail domain is reserved for examples (RFC 2606, RFC 6761). The streets are inventions.
"""

from typing import Final

from msgspec import Struct


class Town(Struct, frozen=True, kw_only=True):
    """`postcode` is a pattern: `#` stands for a digit, `@` for a letter."""

    name: str
    postcode: str
    time_zone: str
    region: str | None = None


class Land(Struct, frozen=True, kw_only=True):
    """Given names are written `Анна=anna` where the mail address needs Latin letters;
    family names `Лунев/Лунева` where women's differ from men's."""

    locale: str
    country: str
    domains: tuple[str, ...]
    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]
    street: str
    """How a street and its number are written together."""
    streets: tuple[str, ...]
    towns: tuple[Town, ...]


ITALY: Final = Land(
    locale="it-IT",
    country="IT",
    domains=("example.com", "example.org", "posta.example", "dischi.example"),
    women=("Chiara", "Giulia", "Sofia", "Elisa", "Noemi", "Ginevra", "Anna Lucìa=annalucia", "Perla"),
    men=("Matteo", "Lorenzo", "Niccolò=niccolo", "Davide", "Elia", "Tobia", "Giosuè=giosue", "Ruggero"),
    families=(
        "Ventaluna",
        "D’Albachiara",
        "Mezzanotte",
        "Cantalupi",
        "Piovanera",
        "Dell’Orto",
        "Solforino",
        "Perlasca",
    ),
    street="{street} {number}",
    streets=("Via dei Vinili", "Viale del Giradischi", "Piazza delle Puntine", "Via Lato B", "Corso del Ritornello"),
    towns=(
        Town(name="Roma", postcode="001##", region="RM", time_zone="Europe/Rome"),
        Town(name="Milano", postcode="201##", region="MI", time_zone="Europe/Rome"),
        Town(name="Napoli", postcode="801##", region="NA", time_zone="Europe/Rome"),
        Town(name="Torino", postcode="101##", region="TO", time_zone="Europe/Rome"),
        Town(name="Forlì", postcode="4712#", region="FC", time_zone="Europe/Rome"),
    ),
)

RUSSIA: Final = Land(
    locale="ru-RU",
    country="RU",
    domains=("example.com", "example.net", "pochta.example"),
    women=("Анна=anna", "Мария=maria", "Ольга=olga", "Дарья=darya", "Ксения=ksenia", "Алёна=alyona"),
    men=("Иван=ivan", "Пётр=pyotr", "Михаил=mikhail", "Егор=egor", "Тимофей=timofey", "Лев=lev"),
    families=("Лунёв/Лунёва", "Пластинкин/Пластинкина", "Звонарёв/Звонарёва", "Ночной/Ночная", "Тихомолов/Тихомолова"),
    street="{street}, д. {number}",
    streets=("ул. Виниловая", "ул. Граммофонная", "Пластиночный пер.", "ул. Припевная"),
    towns=(
        Town(name="Москва", postcode="101###", time_zone="Europe/Moscow"),
        Town(name="Калининград", postcode="236###", time_zone="Europe/Kaliningrad"),
        Town(name="Екатеринбург", postcode="620###", time_zone="Asia/Yekaterinburg"),
        Town(name="Новосибирск", postcode="630###", time_zone="Asia/Novosibirsk"),
        Town(name="Владивосток", postcode="690###", time_zone="Asia/Vladivostok"),
    ),
)

USA: Final = Land(
    locale="en-US",
    country="US",
    domains=("example.com", "example.net", "example.org", "mail.example"),
    women=("Harper", "June", "Opal", "Mabel", "Wren", "Zoë=zoe", "Sadie", "Ruth Ann=ruth.ann"),
    men=("Miles", "Otis", "Silas", "Amos", "Clyde", "Ezra", "Ray", "Wendell"),
    families=("Vinylcott", "Turntable-Moore", "O’Groove", "Longplay", "Backbeat", "Halfnote", "Jukes", "Sidewell"),
    street="{number} {street}",
    streets=("Turntable Avenue", "Liner Notes Lane", "B-Side Street", "Encore Road", "Longplay Boulevard"),
    towns=(
        Town(name="New York", postcode="100##", region="NY", time_zone="America/New_York"),
        Town(name="Chicago", postcode="606##", region="IL", time_zone="America/Chicago"),
        Town(name="Denver", postcode="802##", region="CO", time_zone="America/Denver"),
        Town(name="Los Angeles", postcode="900##", region="CA", time_zone="America/Los_Angeles"),
        Town(name="Honolulu", postcode="968##", region="HI", time_zone="Pacific/Honolulu"),
    ),
)

BRITAIN: Final = Land(
    locale="en-GB",
    country="GB",
    domains=("example.com", "example.org", "post.example"),
    women=("Imogen", "Beatrix", "Siân=sian", "Aoife", "Poppy", "Elspeth"),
    men=("Alfie", "Rhys", "Hamish", "Barnaby", "Oisín=oisin", "Cuthbert"),
    families=("Needledrop", "Sleevenote", "Ap Tonearm", "Mac Stylus", "Flipside", "Gatefold"),
    street="{number} {street}",
    streets=("Gatefold Close", "Stylus Lane", "Flipside Row", "Encore Crescent"),
    towns=(
        Town(name="London", postcode="E1 #@@", time_zone="Europe/London"),
        Town(name="Manchester", postcode="M1 #@@", time_zone="Europe/London"),
        Town(name="Edinburgh", postcode="EH1 #@@", time_zone="Europe/London"),
        Town(name="Cardiff", postcode="CF10 #@@", time_zone="Europe/London"),
    ),
)

GERMANY: Final = Land(
    locale="de-DE",
    country="DE",
    domains=("example.com", "example.net", "platten.example", "tonträger.example"),
    women=("Greta", "Frieda", "Jördis=joerdis", "Käthe=kaethe", "Maren", "Silke"),
    men=("Jonas", "Björn=bjoern", "Götz=goetz", "Emil", "Lutz", "Veit"),
    families=("Plattenküster", "Großklang", "Nadelöhr", "Rillenfels", "von der Zugabe", "Übermut"),
    street="{street} {number}",
    streets=("Schallplattenweg", "Straße der Zugabe", "Tonarmgasse", "Rillenallee"),
    towns=(
        Town(name="Berlin", postcode="101##", time_zone="Europe/Berlin"),
        Town(name="Köln", postcode="506##", time_zone="Europe/Berlin"),
        Town(name="München", postcode="803##", time_zone="Europe/Berlin"),
        Town(name="Leipzig", postcode="041##", time_zone="Europe/Berlin"),
    ),
)

GREECE: Final = Land(
    locale="el-GR",
    country="GR",
    domains=("example.com", "example.org", "diskoi.example"),
    women=("Ελένη=eleni", "Ιωάννα=ioanna", "Καλλιόπη=kalliopi", "Μυρτώ=myrto", "Χλόη=chloi"),
    men=("Γιώργος=giorgos", "Νικόλας=nikolas", "Ορφέας=orfeas", "Θάνος=thanos", "Ίκαρος=ikaros"),
    families=("Δισκάκης/Δισκάκη", "Βελόνας/Βελόνα", "Μελωδίδης/Μελωδίδου", "Φεγγαράς/Φεγγαρά", "Ρεφραίνος/Ρεφραίνου"),
    street="{street} {number}",
    streets=("Δίσκων", "Οδός Ρεφραίν", "Γραμμοφώνου", "Πικάπ"),
    towns=(
        Town(name="Αθήνα", postcode="104 ##", time_zone="Europe/Athens"),
        Town(name="Θεσσαλονίκη", postcode="546 ##", time_zone="Europe/Athens"),
        Town(name="Πάτρα", postcode="262 ##", time_zone="Europe/Athens"),
    ),
)

POLAND: Final = Land(
    locale="pl-PL",
    country="PL",
    domains=("example.com", "example.net", "poczta.example"),
    women=("Małgorzata=malgorzata", "Łucja=lucja", "Zośka=zoska", "Bożena=bozena", "Jagoda", "Świętosława=swietoslawa"),
    men=("Łukasz=lukasz", "Grześ=grzes", "Błażej=blazej", "Kazimierz", "Wojtek", "Żegota=zegota"),
    families=(
        "Płytowski/Płytowska",
        "Igłowicz",
        "Gramofoński/Gramofońska",
        "Źdźbło",
        "Bisowski/Bisowska",
        "Ćwierćnuta",
    ),
    street="{street} {number}",
    streets=("ul. Płytowa", "ul. Gramofonowa", "al. Bisów", "ul. Źródlana Strona B"),
    towns=(
        Town(name="Warszawa", postcode="00-###", time_zone="Europe/Warsaw"),
        Town(name="Łódź", postcode="90-###", time_zone="Europe/Warsaw"),
        Town(name="Kraków", postcode="30-###", time_zone="Europe/Warsaw"),
        Town(name="Gdańsk", postcode="80-###", time_zone="Europe/Warsaw"),
    ),
)

ROUND: Final = (
    *(USA, ITALY, RUSSIA, GERMANY, ITALY, BRITAIN, USA, POLAND, ITALY, RUSSIA),
    *(USA, GREECE, ITALY, BRITAIN, GERMANY, USA, ITALY, POLAND, RUSSIA, USA),
)
"""The land of each of twenty customers in turn: a quarter each Italian and American, one in ten German, and so on."""
