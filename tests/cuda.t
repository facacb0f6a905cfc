# cuda: programs on a GPU, here an emulated one (or with the library $IC_CUDA names a real one): the
# same pictures as on the processor, near ones where factors are rounded; a library or a GPU that is
# missing is told.
. tests/tap.sh
. tests/pictures.sh
host=$(cd "$(dirname "$(command -v ic-sample)")/.." && pwd)/tests/libic-cuda-host.so
[ -n "$IC_CUDA" ] || export IC_CUDA=$host IC_CUBLAS=$host
styles=$PWD/tests/golden/stylegan2/styles_none.safetensors
cd "$TMP" || exit 1

ok "fixture" model 2

# The largest difference of two files of one length.
apart()
{
	cmp -l "$1" "$2" | awk '
		function octal(s, n) {
			for (; s != ""; s = substr(s, 2)) n = 8 * n + substr(s, 1, 1)
			return n
		}
		{ d = octal($2) - octal($3); d = d < 0 ? -d : d; if (d > most) most = d }
		END { print most + 0 }'
}
# within N FILE FILE
within() { [ "$(stat -c %s "$2")" = "$(stat -c %s "$3")" ] && [ "$(apart "$2" "$3")" -le "$1" ]; }

ok "on the processor" eval 'ic-sample m.st f.mdb -n 4 -b 2 >cpu.pam'
for kind in f32 tf32 bf16; do
	ok "on a GPU in $kind" eval "ic-sample m.st f.mdb -n 4 -b 2 -d cuda --precision $kind >$kind.pam"
done
ok "f32: within a level" within 1 cpu.pam f32.pam
ok "tf32: within two levels" within 2 cpu.pam tf32.pam
ok "bf16: within eight levels" within 8 cpu.pam bf16.pam
ok "bf16 is not f32" eval '! cmp -s f32.pam bf16.pam'
style() { ic-sample -m "$styles" -n 4 -b 2 "$@"; }
ok "a StyleGAN2 on the processor" eval 'style >cpu2.pam'
for kind in f32 bf16; do
	ok "on a GPU in $kind" eval "style -d cuda --precision $kind >$kind.pam"
done
ok "f32: within a level" within 1 cpu2.pam f32.pam
ok "bf16: within eight levels" within 8 cpu2.pam bf16.pam
ok "bf16 is not f32" eval '! cmp -s f32.pam bf16.pam'
# What training steps leave on either.
train() { ic-train a.mdb f.mdb n.mdb --ch 2 -b 4 --steps 2 --accumulate 2 --diffaug color,cutout "$@"; }
ok "steps on the processor" train -o cpu.st --log cpu.jsonl
ok "steps on a GPU" train -o gpu.st --log gpu.jsonl -d cuda
ok "a step of bf16" eval 'train -o bf16.st -d cuda --precision bf16 --steps 1 2>told'
ok "told what multiplies" grep -q "^ic-train: products by " told
near()
{
	paste <(ic-sample "$1" f.mdb -n 4 | sed 1,8d | od -An -v -tu1 -w1) \
		<(ic-sample "$2" f.mdb -n 4 | sed 1,8d | od -An -v -tu1 -w1) | awk '
		{ d = $1 - $2; d = d < 0 ? -d : d; if (d > 2) far++; n++ } END { exit !(n && far * 100 < n) }'
}
ok "the trained generators give the same pictures" near cpu.st gpu.st
# A score that moves what it scores, where that lies.
moved() { ic-train a.mdb f.mdb n.mdb --ch 2 -b 2 --steps 1 --every 2 --compat --score f.mdb --score-samples 2 "$@"; }
ok "a score that moves the state on the processor" moved -o cpu.moved.st
ok "and on a GPU" moved -o gpu.moved.st -d cuda
ok "moves it to the same place" near cpu.moved.st gpu.moved.st
ok "a state with a NaN" eval 'cp gpu.st mad.st.part && nan_at mad.st.part G.linear.weight'
fails_with "step 3: the discriminator's loss is not finite" "a loss that is not finite is noticed" \
	train -o mad.st -d cuda --steps 3
# off FILE: how far the first row of f.mdb is from that of a file made on a GPU, relative to its length.
off()
{
	ic-store export -f f.mdb -o want.npy && ic-store export -f "$1" -o got.npy &&
		paste <(od -An -v -t f4 -w4 -j128 -N5120 want.npy) <(od -An -v -t f4 -w4 -j128 -N5120 got.npy) |
		awk '{ d += ($1 - $2) ^ 2; w += $1 ^ 2 } END { if (NR != 1280 || !(w > 0)) print 1; else print sqrt(d / w) }'
}
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }
ok "features on a GPU" ic-embed -d cuda -b 1 --rows :1 a.mdb -o f32.mdb
ok "are near: off by $(off f32.mdb)" below "$(off f32.mdb)" 1e-5
ok "features in bf16" ic-embed -d cuda -b 1 --precision bf16 --rows :1 a.mdb -o bf16.mdb
ok "are less near: off by $(off bf16.mdb)" below "$(off bf16.mdb)" 0.05
# Neighbours found on either are the same, to the last bit.
for metric in cosine l2 ip; do
	ok "neighbours by $metric on the processor" ic-knn -k 5 --metric $metric f.mdb -o near.cpu.mdb -f
	ok "and on a GPU" eval "ic-knn -v -k 5 --metric $metric f.mdb -o near.gpu.mdb -f -d cuda 2>told"
	ok "they are the same" cmp near.cpu.mdb near.gpu.mdb
done
# So are clusters.
clusters() { ic-kmeans -f -k 3 --iterations 5 "$@" f.mdb; }
ok "clusters on the processor" eval 'clusters -o k.cpu.mdb --assign l.cpu.mdb >cpu.tsv'
ok "and on a GPU" eval 'clusters -o k.gpu.mdb --assign l.gpu.mdb -d cuda >gpu.tsv'
ok "they are the same" eval 'cmp cpu.tsv gpu.tsv && cmp k.cpu.mdb k.gpu.mdb && cmp l.cpu.mdb l.gpu.mdb'
ok "told how far the bounds reached" grep -q "bf16 left [1-9]" told
IC_CUDA=$TMP/none.so
fails_with "none.so" "no library for neighbours" ic-knn -k 5 f.mdb -d cuda
fails_with "none.so" "no library" ic-sample m.st f.mdb -n 1 -d cuda
check_same "auto is the processor then" "ic-sample m.st f.mdb -n 4 -b 2 -d auto" "cat cpu.pam"
done_testing
