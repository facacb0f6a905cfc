# stylegan2-train: training with the backbone of StyleGAN2: resumption to the same bytes, threads, conditions, refusals.
. tests/tap.sh
. tests/pictures.sh
snapshot=$PWD/tests/golden/snapshot.pkl
cd "$TMP" || exit 1

pixels() { LC_ALL=C sed '/^# ic/d'; }
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

ok "on classes" ic-train a.mdb --class --backbone stylegan2 --ch 1 -b 4 --steps 1 -o class.st
ok "on classes and instances" ic-train $A --class --steps 1 -o both.st
ok "on nothing, without regularisers" ic-train a.mdb --backbone stylegan2 --ch 1 -b 4 --r1 0 --path 0 --steps 2 -o none.st
check_same "each has its conditions" "for f in class both none; do ic-store ls \$f.st | grep -o 'G.mapping.embed[_a-z]*.weight' | sort; echo; done" \
	"printf 'G.mapping.embed.weight\n\nG.mapping.embed.weight\nG.mapping.embed_feats.weight\n\n\n'"
ok "goes on from the weights of another" ic-train $A -o init.st --init whole.st --steps 1
weights G init.st >g.weights
ok "whose average is not forgotten" eval 'weights G_ema init.st | cmp - g.weights; [ $? = 1 ] && [ -s g.weights ]'
check_same "as it is by the ramp of a fresh run" "ic-train $A -o ramp.st --init whole.st --steps 1 --ema-ramp 0.05 && weights G ramp.st" \
	"weights G_ema ramp.st"
fails_with "found networks of StyleGAN2, expected BigGAN's" "not with those of BigGAN" \
	ic-train b.mdb --minutes 0 --init whole.st -o x.st
fails_with "conditioned on instances, expected on nothing" "nor on other conditions" \
	ic-train a.mdb --backbone stylegan2 -b 4 --init whole.st --minutes 0 -o x.st
fails_with "other channels than --ch 2" "nor with other channels" ic-train $A --ch 2 --init whole.st --minutes 0 -o x.st
ok "--ch as they are" ic-train $A --init whole.st --minutes 0 -o same.st
fails_with "found a mapping of 2 layers, expected 3" "nor layers" ic-train $A --layers 3 --init whole.st --minutes 0 -o x.st
ok "three pictures at a time" ic-train $A -b 3 --steps 1 -o three.st
fails_with "looks at 3 pictures together" "not at four with their discriminator" ic-train $A --init three.st --steps 1 -o x.st
ok "but at six" ic-train $A -b 6 --init three.st --steps 1 -o six.st
ok "or with a fresh one" eval 'ic-store export --net G three.st -o g.safetensors &&
	ic-train $A --init g.safetensors,new --steps 1 -o fresh.st'
ok "eight pixels, features of seven" eval 'ic-pack --size 8 p -o c.mdb && ic-embed c.mdb -o - | ic-store dump - |
	awk -F "\t" -v OFS="\t" "/^#width/ { \$2 = 7 } !/^#/ { NF = 9 } 1" | ic-store load -o f7.mdb && ic-knn -k 3 f7.mdb -o n7.mdb'
C="c.mdb f7.mdb n7.mdb --backbone stylegan2 -b 4"
ok "goes on from a published snapshot" ic-train $C --init "$snapshot" --steps 2 -o on.st
check_same "whose samples are the first" "ic-train $C --init $snapshot --minutes 0 -o zero.st &&
	ic-sample zero.st f7.mdb -n 3 | pixels" "ic-sample $snapshot f7.mdb -n 3 | pixels"
fails_with "left by a run with" "nor with other options" ic-train $A --mixing 0.5 -o whole.st --steps 14
ok "clusters as classes" ic-kmeans -k 3 f.mdb --assign clusters.mdb -o k.mdb
fails_with "found networks of 2 classes, expected 3 as clusters.mdb" "are more than its classes" \
	ic-train $A --class --labels clusters.mdb --init both.st --steps 1 -o x.st
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

# What a run writes as it goes can be cut off at a step.
fails_with "found '-', expected a file" "a log to a pipe" ic-train $A --steps 1 --log - -o x.st
fails_with "found '-', expected a file" "pictures to a pipe" ic-train $A --steps 1 --pictures - -f -o x.st
fails_with "/dev/null: not a regular file" "pictures to a device" ic-train $A --steps 1 --pictures /dev/null -o x.st
ok "a run without pictures" ic-train $A --steps 1 -o plain.st
fails_with "t.pam: not there, expected the pictures this run had written" "has none when it goes on" \
	ic-train $A --steps 2 --pictures t.pam -o plain.st
check_same "nothing is left of these" "ls x.st*; true" true

cp whole.st odd.st && nan_at odd.st G_ema.synthesis.b16.torgb.bias
fails_with "odd.st: sample 0 is not finite" "pictures that are none" ic-sample odd.st f.mdb -n 2
head -c 10000 whole.st >short.st.part
fails_with "in a file of 10000; -f starts afresh" "a state cut short" ic-train $A --steps 12 -o short.st
ok "a dry run" eval "ic-train $A --dry-run --json >dry && grep -q '\"largest_batch\":[0-9]*[02468],*' dry"
exits 2 "BigGAN's options are refused" ic-train $A --compat --steps 1 -o x.st
exits 2 "batches without groups" ic-train $A -b 6 --steps 1 -o x.st
fails_with "f16.mdb: holds features of f16, expected features of f32" "features of half precision" eval \
	'ic-store dump f.mdb | sed "s/^\(#type.\)f32/\1f16/" | ic-store load -o f16.mdb && ic-train a.mdb f16.mdb n.mdb --dry-run'
fails_with "ic-store cat" "a stream" eval 'ic-store cat a.mdb >a.rows; ic-train a.rows --backbone stylegan2 --dry-run'
fails_with "expected at least 2 for images of 512 pixels" "no channel left at the last side" eval \
	'shapes 1 | ic-pack --size 512 - -o wide.mdb && ic-train wide.mdb --backbone stylegan2 --ch 1 --dry-run'
ok "images of another side" ic-pack --size 24 p -o odd.mdb
fails_with "24 pixels, expected a side of 8, 16, 32" "are refused" ic-train odd.mdb --backbone stylegan2 --steps 1 -o x.st
done_testing
