# full: a disk that is full, or another call of the system that fails, ends every program with status 1 and one line
# that names the file, and nothing half-written is left under any name.  A limit on the size of files stands for the disk.
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

# The state to go on from outlives a disk that is full when the end of the run is written.
cp m.st o.st.part
fails_with "o.st.part: File too large" "ic-train at its end" \
	bash -c 'ulimit -f 4; exec ic-train a.mdb f.mdb n.mdb -o o.st --ch 2 -b 4 --steps 2'
ok "its state stays" cmp m.st o.st.part
ok "the same command goes on" ic-train a.mdb f.mdb n.mdb -o o.st --ch 2 -b 4 --steps 2
ok "a run at once" ic-train a.mdb f.mdb n.mdb -o once.st --ch 2 -b 4 --steps 2
ok "has the same end" cmp o.st once.st
rm -f o.st

# 600 rows of 4 KiB: two commits of four blocks and some rows more.
awk 'BEGIN { printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t1024\n#key\tvalues\n"
	for (j = 0; j < 1024; j++) row = row "\t" j
	for (i = 0; i < 600; i++) print i row
	print "#end" }' >wide.tsv
ok "wide rows" ic-store load wide.tsv -o wide.mdb
head -n 560 wide.tsv >cut.tsv
exits 1 "a text that is cut" ic-store load cut.tsv -o o.mdb

# files_run_out: with ever more files that may be open, the rows left behind stay as they are until they are all there.
files_run_out()
{
	local n
	cp o.mdb.part left
	for n in $(seq 3 30); do
		(ulimit -n "$n" && exec ic-store load wide.tsv -o o.mdb) && break
		cmp o.mdb.part left || return
	done
	[ "$n" -gt 3 ] && cmp o.mdb wide.mdb && [ ! -e o.mdb.part ]
}
ok "rows left behind outlive a want of files" files_run_out

# A name that cannot be looked at is not free.
ln -s loop.mdb loop.mdb && ln -s k.mdb.part-rounds k.mdb.part-rounds
fails_with "loop.mdb: Too many levels" "an output that is a loop of links" ic-knn -k 3 f.mdb -o loop.mdb
fails_with "k.mdb.part-rounds: Too many levels" "rounds that are one" ic-kmeans -k 3 f.mdb -o k.mdb

# cut_while_read: the store is emptied while a reader that waits for its pipe has most of it before it.
cut_while_read()
{
	local pid status
	mkfifo fifo
	ic-store cat wide.mdb >fifo 2>stderr & pid=$!
	exec 7<fifo
	head -c 1 <&7 >first
	: >wide.mdb
	cat <&7 >rest
	exec 7<&-
	wait $pid
	status=$?
	[ $status -eq 1 ] && [ "$(grep -c . stderr)" -eq 1 ] && grep -q "/wide.mdb: became shorter" stderr ||
		{ echo "status $status" >&2; cat stderr >&2; return 1; }
}
ok "a store cut while it is read" cut_while_read

# A list of keys for which there is no memory; a sanitizer takes its own.
seq 1000000 4000000 >keys.txt
case $(ldd "$(command -v ic-store)") in
*libasan*) echo "ok $((++tap_ran)) - a list too long for the memory # skip: a sanitizer takes its own" ;;
*) fails_with "ic-store: no memory for" "a list too long for the memory" \
	bash -c 'ulimit -v 32000; exec ic-store cat a.mdb --keys keys.txt -o o2.mdb' ;;
esac
ok "leaves nothing" test ! -e o2.mdb.part

# A standard stream that is closed is no file of the command's.
fails_with "standard output: Bad file descriptor" "a closed standard output" \
	bash -c 'exec ic-knn -k 3 f.mdb -o closed.mdb >&-'
ok "leaves the store whole" cmp closed.mdb n.mdb
fails_with "standard input: Bad file descriptor" "a closed standard input" bash -c 'exec ic-store load -o o2.mdb <&-'
mkdir pictures && stripes 1 >pictures/good.ppm && echo hello >pictures/bad.jpg
ok "a closed standard error" bash -c 'exec ic-pack --size 16 pictures -o pictures.mdb 2>&-'
ok "gets nothing into a store" ic-store verify pictures.mdb
done_testing
