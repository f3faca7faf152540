#!/bin/sh
# Lay out Debian's Exim in FOLDER and print the folder that belongs into PATH. Installed, it would put Postfix out:
# a Debian has one mail server. It looks for a user of its own, which it is told of without making one.
set -eu
folder=$(mkdir -p "$1" && cd "$1" && pwd)
mkdir -p "$folder/packages" "$folder/root" "$folder/bin"
chmod 755 "$folder"
cd "$folder/packages"
apt-get download -qq exim4-daemon-light exim4-base libidn12 libnss-wrapper >&2
for package in *.deb; do dpkg -x "$package" "$folder/root"; done
(getent passwd; echo 'Debian-exim:x:4096:4096::/nonexistent:/usr/sbin/nologin') > "$folder/passwd"
(getent group; echo 'Debian-exim:x:4096:') > "$folder/group"
libraries=$(dirname "$(find "$folder/root" -name libnss_wrapper.so)")
loader=$(ls /lib64/ld-linux-*.so.2 /lib/ld-linux-*.so.1 2>/dev/null | head -n 1)
cat > "$folder/bin/exim4" <<END
#!/bin/sh
export NSS_WRAPPER_PASSWD=$folder/passwd NSS_WRAPPER_GROUP=$folder/group
exec $loader --library-path $libraries --preload $libraries/libnss_wrapper.so $folder/root/usr/sbin/exim4 "\$@"
END
chmod 755 "$folder/bin/exim4"
echo "$folder/bin"
