# full: a disk that is full ends every program with status 1 and one line that names the file, and nothing
# half-written is left under any name.  A limit on the size of files stands for the disk.
. tests/tap.sh
. tests/pictures.sh
cd "$TMP" || exit 1

ok "fixture" eval 'model 1 && ic-sample m.st f.mdb -n 40 >s.pam && ic-store dump f.mdb >f.tsv'
: >before >after

# full COMMAND...: fails with 4 KiB a file, and leaves no file that was not there.
full()
{
	local status
	: >stderr
	ls >before
	(ulimit -f 4 && exec "$@") >/dev/null 2>stderr
	status=$?
	ls >after
	[ $status -eq 1 ] && cmp before after >&2 && [ "$(grep -c "^$1: o.*too large\|^$1: o.*full" stderr)" -eq 1 ] ||
		{ echo "status $status" >&2; cat stderr >&2; return 1; }
}
ok "ic-pack" full ic-pack --size 64 s.pam -o o.mdb
ok "ic-embed" full ic-embed s.pam -o o.mdb
ok "ic-knn" full ic-knn -k 3 f.mdb -o o.mdb
ok "ic-kmeans" full ic-kmeans -k 3 f.mdb -o o.mdb
ok "ic-train" full ic-train a.mdb f.mdb n.mdb -o o.st --ch 2 -b 4 --steps 1
ok "a tape" full ic-train --dry-run a.mdb f.mdb n.mdb --ch 2 -b 4 --dump-tape o.tsv
ok "ic-grid" full ic-grid s.pam --scale 1 -o o.png
ok "ic-store load" full ic-store load f.tsv -o o.mdb
ok "ic-store export, a net" full ic-store export --net G_ema m.st -o o.safetensors
ok "ic-store export, rows" full ic-store export f.mdb -o o.npy
fails_with "standard output: File too large" "ic-sample" \
	bash -c 'ulimit -f 4; ic-sample m.st f.mdb -n 40 >o.pam'
fails_with "standard output: File too large" "ic-store dump" \
	bash -c 'ulimit -f 4; ic-store dump f.mdb >o.tsv'
done_testing
