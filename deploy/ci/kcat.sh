#!/bin/sh
# kcat.sh NODE PACKAGE VERSION: asks for a deploy straight on the log, signed with a named token, without any client of Loki's.
#
# Needs kcat, OpenSSL 3 and GNU coreutils. KAFKA: a broker, `-` prints the record instead of sending it. LOKI_TOKEN_FILE: the token's secret, as
# `loki admin token create` wrote it; LOKI_TOKEN_NAME: its name. LOKI_ID: the same again is the same run, for 24 hours. What becomes of it is in
# `loki.outcomes`, and `loki deploy list` shows it.
set -eu
node=$1 package=$2 version=$3
: "${KAFKA:?the address of a broker}" "${LOKI_TOKEN_FILE:?the file with a token}" "${LOKI_TOKEN_NAME:?the name of the token}"
actor=${LOKI_ACTOR:-ci}
id=${LOKI_ID:-ci-$(date +%s)-$$}
seconds=$(($(date +%s) + 600))
expires=$(date -u -d "@$seconds" +%Y-%m-%dT%H:%M:%SZ)
data="{\"node\":\"$node\",\"settings\":{\"package\":\"$package\",\"version\":\"$version\"}}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# five lines are signed: actor, id, type, the end in milliseconds, and the SHA-256 of the data
printf '%s\n%s\nrun.start\n%s000\n%s\n' "$actor" "$id" "$seconds" "$(printf %s "$data" | sha256sum | cut -c1-64)" >"$work/payload"
type=application/vnd.loki.command.v1
{ printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c <"$work/payload")" && cat "$work/payload"; } >"$work/signed"
# the secret is the seed of an Ed25519 key: these bytes before it make a key of it that OpenSSL reads (RFC 8410, section 7)
{ printf 302E020100300506032B657004220420 && sed 's/^loki_//' "$LOKI_TOKEN_FILE" | tr -d '\n' | tr a-f A-F; } | basenc --base16 -d |
    openssl pkey -inform DER -out "$work/key"
signature=$(openssl pkeyutl -sign -rawin -inkey "$work/key" -in "$work/signed" | od -An -tx1 | tr -d ' \n')

record="{\"id\":\"$id\",\"actor\":\"$actor\",\"type\":\"run.start\",\"expires\":\"$expires\",\"keyid\":\"$LOKI_TOKEN_NAME\",\"signature\":\"$signature\",\"data\":$data}"
if [ "$KAFKA" = - ]; then
    printf '%s\n' "$record"
else
    printf '%s\n' "$record" | kcat -P -b "$KAFKA" -t "${LOKI_TOPIC_PREFIX:-}loki.commands"
fi
