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
A="a.mdb f.mdb n.mdb --backbone stylegan2 --ch 1 -b 4 --r1-every 5 --path-every 2"

ok "twelve steps" ic-train $A -o whole.st --steps 12 --every 16 --log whole.jsonl --score f.mdb --score-samples 20 --flip \
	--diffaug translation
ok "the log has both regularisers" grep -q '"step":10,.*"norm":0,"variance":[0-9.]*,"r1":[0-9.e-]*,"path":[0-9.]*}' whole.jsonl
ok "eight of them on one thread, between two of R1" ic-train $A -o cut.st --steps 8 --every 16 -t 1 --log cut.jsonl --score f.mdb \
	--score-samples 20 --flip --diffaug translation
ok "and the rest on two" ic-train $A -o cut.st --steps 12 --every 16 -t 2 --log cut.jsonl --score f.mdb --score-samples 20 \
	--flip --diffaug translation
check_same "the same bytes" "cat cut.st" "cat whole.st"
check_same "its log has no gap and no repeat" "cat cut.jsonl" "cat whole.jsonl"
ok "in less memory" ic-train $A -o less.st --steps 4 --recompute
ok "or not" ic-train $A -o more.st --steps 4
# The end of the weights of one network.
weights() { ic-store export -f --net "$1" "$2" -o part.safetensors && tail -c 4096 part.safetensors; }
check_same "the same weights" "weights D less.st" "weights D more.st"
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
weights G init.st >g.weights
ok "whose average is not forgotten" eval 'weights G_ema init.st | cmp - g.weights; [ $? = 1 ] && [ -s g.weights ]'
check_same "as it is by the ramp of a fresh run" "ic-train $A -o ramp.st --init whole.st --steps 1 --ema-ramp 0.05 && weights G ramp.st" \
	"weights G_ema ramp.st"
fails_with "found networks of StyleGAN2, expected BigGAN's" "not with those of BigGAN" \
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
fails_with "conditioned on instances, expected on nothing" "nor on other conditions" \
	ic-train a.mdb --backbone stylegan2 -b 4 --init whole.st --minutes 0 -o x.st
ok "--ch as they are" ic-train $A --init whole.st --minutes 0 -o same.st
ok "clusters as classes" ic-kmeans -k 3 f.mdb --assign clusters.mdb -o k.mdb
fails_with "found networks of 2 classes, expected 3 as --labels" "are more than its classes" \
	ic-train $A --class --labels clusters.mdb --init both.st --steps 1 -o x.st
fails_with "found networks of 2 classes, expected 3 as three.mdb" "or those of the images" eval \
	'mkdir q && for c in 1 2 3; do mkdir q/$c && cp p/disc/*.ppm q/$c; done && ic-pack --size 16 q -o three.mdb &&
	ic-train three.mdb --class --backbone stylegan2 --ch 1 -b 4 --init class.st --minutes 0 -o x.st'
# Options of both backbones alike.
B="b.mdb --class --ch 1 -b 4 --lr-g 1e-3 --lr-d 1e-3 --ema 0.99 --ema-start 0"
ok "a run of BigGAN" ic-train $B --minutes 0 -o big.st
fails_with "left by a run of BigGAN, now of StyleGAN2" "is not taken up as one of StyleGAN2" \
	ic-train $B --backbone stylegan2 --steps 1 -o big.st
ok "a run of StyleGAN2" ic-train $B --backbone stylegan2 --minutes 0 -o style.st
fails_with "left by a run of StyleGAN2, now of BigGAN" "nor the reverse" ic-train $B --steps 1 -o style.st
for option in "--r1 1" "--r1-every 8" "--path 1" "--path-every 8" "--mixing 0.5" "--layers 8" "--ema-ramp 0"; do
	fails_with "${option% *}: of --backbone stylegan2 alone" "BigGAN has no $option" ic-train b.mdb --class $option --dry-run
done
for option in lr-g lr-d ema r1; do
	fails_with "--$option: found -0.5, expected -1, or 0 and more" "--$option below 0" ic-train $A --$option -0.5 --dry-run
done

ok "an average that forgets nothing but by its ramp" ic-train $A --ema 1 --ema-ramp 1 --steps 4 -o slow.st
weights G slow.st >g.weights
ok "is no copy" eval 'weights G_ema slow.st | cmp - g.weights; [ $? = 1 ] && [ -s g.weights ]'

ok "a run without pictures" ic-train $A --steps 1 -o plain.st
fails_with "t.pam: not there, expected the pictures this run had written" "has none when it goes on" \
	ic-train $A --steps 2 --pictures t.pam -o plain.st
check_same "nothing is left of these" "ls x.st*; true" true

cp whole.st odd.st && nan_at odd.st G_ema.synthesis.b16.torgb.bias
fails_with "odd.st: sample 0 is not finite" "pictures that are none" ic-sample odd.st f.mdb -n 2
head -c 10000 whole.st >short.st.part
fails_with "in a file of 10000; -f starts afresh" "a state cut short" ic-train $A --steps 12 -o short.st
ok "a dry run" eval "ic-train $A --dry-run --json >dry && grep -q '\"largest_batch\":[0-9]*[02468],*' dry"
field() { sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
check_same "the largest batch is below a group where no group fits" \
	"m=\$(ic-train $A -b 2 --dry-run --json | field total_bytes); for b in 2 4; do
		ic-train $A -b \$b --memory \$m --dry-run --json | field largest_batch; done" "echo 2; echo 2"
exits 2 "BigGAN's options are refused" ic-train $A --compat --steps 1 -o x.st
fails_with "found 6, expected a multiple of 4" "batches without groups" ic-train $A -b 6 --steps 1 -o x.st
fails_with "f16.mdb: holds features of f16, expected features of f32" "features of half precision" eval \
	'ic-store dump f.mdb | sed "s/^\(#type.\)f32/\1f16/" | ic-store load -o f16.mdb && ic-train a.mdb f16.mdb n.mdb --dry-run'
fails_with "ic-store cat" "a stream" eval 'ic-store cat a.mdb >a.rows; ic-train a.rows --backbone stylegan2 --dry-run'
fails_with "expected at least 2 for images of 512 pixels" "no channel left at the last side" eval \
	'shapes 1 | ic-pack --size 512 - -o wide.mdb && ic-train wide.mdb --backbone stylegan2 --ch 1 --dry-run'
ok "images of another side" ic-pack --size 24 p -o odd.mdb
fails_with "24 pixels, expected a side of 8, 16, 32" "are refused" ic-train odd.mdb --backbone stylegan2 --steps 1 -o x.st
done_testing
