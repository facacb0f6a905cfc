# init: training that begins with the weights of others: own checkpoints, their parts, published
# files; refusals.
. tests/tap.sh
golden=$PWD/tests/golden
cd "$TMP" || exit 1

# pictures N SIDE: grey levels and stripes, three classes in turn as folders.
pictures()
{
	local i
	for i in $(seq "$1"); do
		mkdir -p "$3/$((i % 3))"
		awk -v i="$i" -v side="$2" 'BEGIN {
			printf "P6\n%d %d\n255\n", side, side
			for (p = 0; p < side * side; p++)
				printf "%c%c%c", 20 + i * 5, 30 + p % (3 + i), 40 + p % 80
		}' >"$3/$((i % 3))/$(printf %02d "$i").ppm"
	done
	ic-pack --size "$2" "$3" -o "$3.mdb"
}
fixture()
{
	pictures 12 32 a && ic-embed a.mdb -o f.mdb && ic-knn -k 3 f.mdb -o n.mdb &&
		ic-train a.mdb f.mdb n.mdb --class -o r.st --ch 2 -b 4 --ema-start 1 --steps 3
}
ok "fixture" fixture
A="a.mdb f.mdb n.mdb --class -b 4"

# part NET FILE: the bytes of the weights of one network.
part()
{
	local to=$1.$2.safetensors
	ic-store export --net "$1" "$2" -f -o "$to" &&
		tail -c +$((9 + $(od -An -tu8 -N8 "$to"))) "$to"
}
ok "from a checkpoint" ic-train $A --init r.st --steps 0 -o from.st
for net in G D G_ema; do
	check_same "$net begins as it ended" "part $net from.st" "part $net r.st"
done
check_same "no step is done" "ic-store ls from.st | grep -o 'step=.*'" "echo step=0"
check_same "the moments are zero" "part adam.G.v from.st | tr -d '\0' | wc -c" "echo 0"
ok "a step on" ic-train $A --init r.st --steps 1 -o on.st
part G on.st >g.weights
ok "the average is not forgotten" eval 'part G_ema on.st | cmp - g.weights; [ $? = 1 ] && [ -s g.weights ]'
for net in G D G_ema; do
	ok "$net alone" ic-store export --net $net r.st -o $net.safetensors
done
check_same "from the three networks, the average after the generator" \
	"ic-train $A --init G.safetensors,D.safetensors,G_ema.safetensors --steps 2 -o three.st &&
	cat three.st" \
	"ic-train $A --init r.st --steps 2 -o whole.st && cat whole.st"
check_same "the order of the others does not matter" \
	"ic-train $A --init D.safetensors,G.safetensors,G_ema.safetensors --steps 2 -o other.st &&
	cat other.st" "cat whole.st"
ok "without an average" ic-train $A --init G.safetensors,D.safetensors --steps 0 -o two.st
check_same "it is a copy" "part G_ema two.st" "part G r.st"
ok "with a fresh discriminator" ic-train $A --init G.safetensors,new --steps 0 -o new.st
check_same "of the size of the generator" "part D new.st | wc -c" "part D r.st | wc -c"
ok "which is another" eval '! cmp -s <(part D new.st) <(part D r.st)'
check_same "as a run without --init begins" "part D new.st" \
	"ic-train $A --ch 2 --steps 0 -o plain.st && part D plain.st"

ok "one step, taken up to two" eval '
	ic-train $A --init r.st --steps 1 -o cut.st && mv cut.st cut.st.part &&
	ic-train $A --init G.safetensors,D.safetensors,G_ema.safetensors --steps 2 -o cut.st'
check_same "ends as a run that was not cut" "cat cut.st" "cat whole.st"
fails_with "left by a run with init" "other weights do not take it up" eval \
	'ic-train $A --init r.st --steps 1 -o odd.st && mv odd.st odd.st.part &&
	ic-train $A --init G.safetensors,D.safetensors --steps 2 -o odd.st'

published=$golden/generator.pth,$golden/discriminator.pth
ok "from published files" ic-train a.mdb --class -b 4 --init "$published" --steps 1 -o pth.st
check_same "as from safetensors" "cat pth.st" \
	"ic-train a.mdb --class -b 4 --steps 1 \
	--init $golden/generator.safetensors,$golden/discriminator.safetensors -o st.st &&
	cat st.st"
check_same "before the first step they are the published ones" \
	"ic-train a.mdb --class -b 4 --init $published --steps 0 -o zero.st &&
	ic-sample zero.st -n 3 --class 2 | sed 's/ from=[0-9a-f]*//'" \
	"ic-sample $golden/generator.pth -n 3 --class 2"

# seven: the pictures at 8 pixels, with features of seven numbers.
seven()
{
	ic-pack --size 8 a -o a8.mdb && ic-embed a8.mdb -o f8.mdb && ic-store dump f8.mdb |
		awk -F '\t' -v OFS='\t' '$1 == "#width" { $2 = 7 }
			!/^#/ { for (i = 3; i < 10; i++) $i = $1 * i % 11 - 5; NF = 9 } 1' |
		ic-store load -o f7.mdb && ic-knn -k 3 f7.mdb -o n7.mdb
}
ok "pictures for a snapshot" seven
B="--backbone stylegan2 -b 4 a8.mdb f7.mdb n7.mdb"
ok "from a snapshot" eval 'ic-train $B --init "$golden/snapshot.pkl" --steps 0 -o pkl.st &&
	ic-train $B --init "$golden/snapshot.pkl" --steps 2 -o pkl2.st'
for net in G D G_ema; do
	check_same "$net is the published one" "part $net pkl.st" \
		"cp $golden/snapshot.pkl . && part $net snapshot.pkl"
done
check_same "as from safetensors" "cat pkl2.st" \
	"ic-train $B --init $golden/snapshot.safetensors --steps 2 -o st2.st && cat st2.st"

fails_with "found no discriminator" "no discriminator" \
	ic-train $A --init G_ema.safetensors --steps 1 -o x.st
fails_with "found no generator" "no generator" ic-train $A --init D.safetensors --steps 1 -o x.st
fails_with "and the word new" "two discriminators" ic-train $A --init r.st,new --steps 1 -o x.st
fails_with "found an averaged generator, after" "three generators" \
	ic-train $A --init G.safetensors,G.safetensors,G.safetensors --steps 1 -o x.st
fails_with "neither a checkpoint nor" "no networks" ic-train $A \
	--init "$golden/stat.safetensors" --steps 1 -o x.st
fails_with "No such file" "no file" ic-train $A --init none.pth,new --steps 1 -o x.st
fails_with "found networks conditioned on instances and classes, expected on classes" \
	"other conditions" \
	ic-train a.mdb --class -b 4 --init r.st --steps 1 -o x.st
fails_with "found networks conditioned on classes, expected on nothing" "a run that forgets --class" \
	ic-train a.mdb -b 4 --init "$published" --steps 1 -o x.st
ok "a model on nothing" ic-train a.mdb -b 4 --ch 2 --steps 0 -o nothing.st
ok "goes on as one" ic-train a.mdb -b 4 --init nothing.st --steps 0 -o idle.st
fails_with "found networks conditioned on nothing, expected on classes" "and not on classes" \
	ic-train a.mdb --class -b 4 --init nothing.st --steps 1 -o y.st
fails_with "ch 2, expected 4 by --ch" "another --ch" \
	ic-train $A --init r.st --ch 4 --steps 1 -o x.st
fails_with "found networks of 32 pixels, expected 64" "another side" eval \
	'pictures 6 64 b && ic-train b.mdb --class -b 4 --init "$published" --steps 1 -o x.st'
fails_with "has another shape" "an average of another size" eval \
	'ic-train $A --ch 1 --steps 0 -o small.st && ic-train $A --init r.st --steps 0 -o x.st &&
	ic-store export --net G small.st -o small-g.safetensors &&
	ic-train $A --init G.safetensors,D.safetensors,small-g.safetensors --steps 1 -o y.st'
# Of equal length, so that the file stays whole.
ok "a tensor that no generator has" eval \
	"sed 's/\"adam.G.m.linear.bias\"/\"G_ema.zz.linear.bias\"/' r.st >odd.st"
fails_with "found tensor G_ema.zz.linear.bias" "is refused by ic-train" \
	ic-train $A --init odd.st --steps 1 -o more.st
fails_with "found tensor G_ema.zz.linear.bias" "and by ic-sample" ic-sample odd.st f.mdb -n 1
done_testing
