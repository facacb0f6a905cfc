# stylegan2-train: training with the backbone of StyleGAN2: resumption to the same bytes, threads, conditions, refusals.
. tests/tap.sh
. tests/pictures.sh
cd "$TMP" || exit 1

# Discs and bars, in two classes.
pictures()
{
	mkdir -p p/disc p/bar && shapes 24 0 | awk 'BEGIN { RS = "P6\n" } NR > 1 {
		f = sprintf("p/%s/%02d.ppm", NR % 2 ? "disc" : "bar", NR); printf "P6\n%s", $0 >f; close(f) }'
}
ok "fixture" eval 'pictures && ic-pack --size 16 p -o a.mdb && ic-embed a.mdb -o f.mdb && ic-knn -k 3 f.mdb -o n.mdb &&
	ic-pack --size 32 p -o b.mdb'
A="a.mdb f.mdb n.mdb --backbone stylegan2 --ch 1 -b 4 --r1-every 3 --path-every 2"

ok "ten steps" ic-train $A -o whole.st --steps 10 --every 16 --log whole.jsonl --score f.mdb --score-samples 20 --flip \
	--diffaug translation
ok "the log has both regularisers" grep -q '"step":10,.*"norm":0,"variance":[0-9.]*,"r1":[0-9.e-]*,"path":[0-9.]*}' whole.jsonl
ok "four of them on one thread" ic-train $A -o cut.st --steps 4 --every 16 -t 1 --log cut.jsonl --score f.mdb \
	--score-samples 20 --flip --diffaug translation
ok "and the rest on two" ic-train $A -o cut.st --steps 10 --every 16 -t 2 --log cut.jsonl --score f.mdb --score-samples 20 \
	--flip --diffaug translation
check_same "the same bytes" "cat cut.st" "cat whole.st"
check_same "its log has no gap and no repeat" "cat cut.jsonl" "cat whole.jsonl"
ok "in less memory" ic-train $A -o less.st --steps 4 --recompute
ok "or not" ic-train $A -o more.st --steps 4
check_same "the same bytes" "cat less.st" "cat more.st"
check_same "two batches to a step" "ic-train $A -o two.st --accumulate 2 --steps 2 && ic-store ls two.st | grep -c 'G_ema'" \
	"ic-store ls more.st | grep -c 'G_ema'"
check_same "the mean path length goes on with the run" "ic-store ls whole.st | grep -c path_mean=0.0" "echo 1"

R="a.mdb f.mdb n.mdb --backbone stylegan2 --ch 1 -b 4 --r1-every 8 --path-every 9"
ok "regularisers before an end, a line of the log after it" eval "ic-train $R -o w.st --steps 10 --log w.jsonl &&
	ic-train $R -o c.st --steps 9 --log c.jsonl && ic-train $R -o c.st --steps 10 --log c.jsonl"
check_same "the line has them" "cat c.jsonl c.st" "cat w.jsonl w.st"
average() { ic-train $A --ema "$1" --steps 3 -o e"$1".st && ic-store export --net G_ema e"$1".st -o e"$1".safetensors &&
	tail -c 4096 e"$1".safetensors; }
check_same "an average that forgets nothing by itself looks back as far as the ramp" "average 1" "average 0.9999999999"

ok "on classes" ic-train a.mdb --class --backbone stylegan2 --ch 1 -b 4 --steps 1 -o class.st
ok "on classes and instances" ic-train $A --class --steps 1 -o both.st
ok "on nothing, without regularisers" ic-train a.mdb --backbone stylegan2 --ch 1 -b 4 --r1 0 --path 0 --steps 2 -o none.st
check_same "each has its conditions" "for f in class both none; do ic-store ls \$f.st | grep -o 'G.mapping.embed[_a-z]*.weight' | sort; echo; done" \
	"printf 'G.mapping.embed.weight\n\nG.mapping.embed.weight\nG.mapping.embed_feats.weight\n\n\n'"
ok "goes on from the weights of another" ic-train $A --ch 0 -o init.st --init whole.st --steps 1
check_same "whose multiplier it says" "ic-store ls init.st | grep -c 'nch = 1.n'" "echo 1"
fails_with "networks of the other backbone" "not with those of BigGAN" \
	ic-train b.mdb --minutes 0 --init whole.st -o x.st
sed 's/"last_path":".../"last_path":"nan/' w.st >x.st.part
fails_with "found last_path nan" "nor from a penalty that is no number" ic-train $R -o x.st --steps 12
rm x.st.part
sed 's/"group":"4"/"group":"3"/' whole.st >threes.st
fails_with "found 4, expected a multiple of 3" "nor with groups that do not fit" ic-train $A --init threes.st --steps 1 -o x.st
ok "a discriminator of its own file" eval 'ic-store export --net G whole.st -o g.safetensors &&
	sed "s/\"group\":\"4\"/\"group\":\"2\"/; s/\"clamp_d\":\"256\"/\"clamp_d\":\"128\"/" whole.st >twos.st &&
	ic-store export --net D twos.st -o d.safetensors && ic-train $A --init g.safetensors,d.safetensors --steps 1 -o pair.st'
check_same "brings its groups and clamp" "ic-store ls pair.st | grep -c -e group=2 -e clamp_d=128 -e clamp_g=256" "echo 3"
fails_with "32 channels at 4 pixels, expected 128 by --ch" "another multiplier" \
	ic-train $A --init whole.st --ch 4 --steps 1 -o x.st
fails_with "2 layers, expected 3 by --layers" "another mapping" ic-train $A --init whole.st --layers 3 --steps 1 -o x.st
fails_with "left by a run with" "nor with other options" ic-train $A --mixing 0.5 -o whole.st --steps 12
B="--ch 2 -b 4 --lr-g 0.001 --lr-d 0.001 --ema 0.99 --ema-start 0"
ok "a run of BigGAN" ic-train b.mdb $B -o big.st --steps 1
fails_with "left by a run without backbone = stylegan2" "does not go on as one of StyleGAN2" \
	ic-train b.mdb $B -o big.st --steps 2 --backbone stylegan2
ok "a dry run" eval "ic-train $A --dry-run --json >dry && grep -q '\"largest_batch\":[0-9]*[02468],*' dry"
field() { sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
check_same "the largest batch is below a group where no group fits" \
	"m=\$(ic-train $A -b 2 --dry-run --json | field total_bytes); for b in 2 4; do
		ic-train $A -b \$b --memory \$m --dry-run --json | field largest_batch; done" "echo 2; echo 2"
exits 2 "BigGAN's options are refused" ic-train $A --compat --steps 1 -o x.st
for option in "--r1 1" "--r1-every 8" "--path 1" "--path-every 8" "--mixing 0.5" "--ema-ramp 0.1" "--layers 8"; do
	exits 2 "StyleGAN2's $option of a BigGAN" ic-train b.mdb $option --steps 1 -o x.st
done
fails_with "found 6, expected a multiple of 4" "batches without groups" ic-train $A -b 6 --steps 1 -o x.st
ok "images of another side" ic-pack --size 24 p -o odd.mdb
fails_with "24 pixels, expected a side of 8, 16, 32" "are refused" ic-train odd.mdb --backbone stylegan2 --steps 1 -o x.st
done_testing
