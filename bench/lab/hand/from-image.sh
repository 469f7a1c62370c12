#!/bin/sh
# On the storage node: from-image.sh URL SHA512 DEVICE, with a token on standard input. Fetched, checked, converted.
set -eu
url=$1 sha512=$2 device=$3
file=/var/tmp/fetched
TOKEN=$(cat)
export TOKEN
python3 - "$url" "$file" <<'PYTHON'
import os, shutil, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={'x-auth-token': os.environ['TOKEN']})
with urllib.request.urlopen(request) as data, open(sys.argv[2], 'wb') as file:
    shutil.copyfileobj(data, file, 1 << 20)
PYTHON
echo "$sha512  $file" | sha512sum --check --quiet
qemu-img convert -n -t none -f qcow2 -O raw "$file" "$device"
rm "$file"
