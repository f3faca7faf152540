"""Postal addresses at the door: what is refused, what is put right, and what is only pointed out."""

from typing import Any

from tests.api.house import House


def home(**lines: str) -> dict[str, Any]:
    whole = {"street": "ul. Świętokrzyska 14/32", "postcode": "00050", "city": "Łódź", "country": "PL"}
    return {"addresses": [{"kind": "postal", "data": {**whole, **lines}}]}


async def test_an_address_that_no_letter_would_reach_is_refused_and_not_repeated(house: House) -> None:
    async with house.client("recipients:write") as client:
        answer = await client.put("/v1/recipients/c-1", json=home(postcode="0-050", street=""))
    assert answer.status_code == 422
    [problem] = answer.json()["errors"]
    assert problem["pointer"] == "/addresses/0/data"
    assert problem["detail"].startswith("street is missing; postcode has not the form of PL (such as ")
    assert "Łódź" not in answer.text


async def test_an_address_is_kept_as_its_country_writes_it_and_what_is_odd_is_pointed_out(house: House) -> None:
    async with house.client("recipients:write", "recipients:read") as client:
        made = await client.put("/v1/recipients/c-1", json=home(company="Przykład sp. z o.o.", care_of="Żaneta"))
        italian = {"street": "Via Roma 1", "postcode": "I-20121", "city": "Milano", "country": "IT", "region": "FC"}
        await client.put("/v1/recipients/c-2", json=home(**italian))
        odd = (await client.get("/v1/recipients/c-2")).json()["addresses"][0]
    [shown] = made.json()["addresses"]
    assert (shown["data"]["postcode"], shown["data"]["care_of"], shown["warnings"]) == ("00-050", "Żaneta", [])
    assert (odd["data"]["postcode"], odd["warnings"]) == ("20121", ["region is not where the postcode is"])
