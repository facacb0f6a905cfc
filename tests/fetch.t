# fetch: the recipes of pipelines/fetch.mk, from a folder instead of the network: what differs from what is published does
# not arrive.
. tests/tap.sh
command -v curl >/dev/null || { echo "# no curl: recipes are not tried"; ok "nothing to try" true; done_testing; }

fetch()
{
	make -s -f pipelines/fetch.mk OUT="$TMP/got" CURL='curl -sf' "$@"
}
check_same "every name has its place" "make -s -f pipelines/fetch.mk | grep -vcE '^[a-z0-9_-]+ +https://[^ ]+\$' || :" "echo 0"
echo weights >"$TMP/dino.pth"
sum=$(sha256sum "$TMP/dino.pth" | cut -d ' ' -f 1)
here=url.dino=file://$TMP/dino.pth

ok "a file of which nothing is published" sh -c "$(declare -f fetch); fetch '$here' dino >'$TMP/said'"
check_same "is told" "cat '$TMP/said'" "echo '$TMP/got/dino.pth: 8 bytes, SHA-256 $sum; none is published'"
ok "is there" cmp "$TMP/dino.pth" "$TMP/got/dino.pth"
check_same "and not fetched again" "fetch '$here' dino" true
rm -r "$TMP/got"
fails_with "found 8 bytes, expected 9" "a file of another size" fetch "$here" bytes.dino=9 dino
fails_with "expected 00000000" "a file with another sum" fetch "$here" sha256.dino=00000000 dino
check_same "nothing of them is left" "ls '$TMP/got'" true
ok "a file with the first digits of the sum" fetch "$here" bytes.dino=8 sha256.dino="${sum:0:8}" dino
ok "is there, too" cmp "$TMP/dino.pth" "$TMP/got/dino.pth"
fails_with "Error" "a place where nothing is" fetch url.moco="file://$TMP/moco.pth" moco

mkdir "$TMP/stored_instances" && echo features >"$TMP/stored_instances/k1000.npy"
tar -czf "$TMP/stored_instances.tar.gz" -C "$TMP" stored_instances
ok "an archive" fetch url.stored_instances="file://$TMP/stored_instances.tar.gz" stored_instances
ok "is unpacked" cmp "$TMP/stored_instances/k1000.npy" "$TMP/got/stored_instances/k1000.npy"
done_testing
