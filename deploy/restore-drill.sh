#!/bin/sh
# Restores the newest backup of a folder into a directory of its own, checks every byte, and says what is in it.
# Nothing of the running server is touched, and nothing is left. A backup that was never restored is a hope.
#
#   restore-drill.sh FOLDER
set -eu

folder=${1:?usage: restore-drill.sh FOLDER}
lithair=${LITHAIR:-lithair}

newest=$(cd "$folder" && ls -1 | grep -E '^[0-9]{8}T[0-9]{6}Z$' | sort | tail -n 1)
if [ -z "$newest" ]; then
    echo "restore-drill.sh: there is no backup in $folder" >&2
    exit 1
fi
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT INT TERM

"$lithair" verify "$folder/$newest"
"$lithair" restore "$folder/$newest" "$place/restored"
for model in "$place"/restored/*/; do
    "$lithair" verify "$model"
done
echo "$newest can be restored"
