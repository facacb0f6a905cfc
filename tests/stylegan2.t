# stylegan2: pictures of StyleGAN2 generators are those of PyTorch, and depend on their number or seed alone; planes of
# noise; truncation; what a file holds; refusals.
. tests/tap.sh
golden=$PWD/tests/golden
styles=$golden/stylegan2/styles_
cd "$TMP" || exit 1

# of HOW [OPTIONS]: pictures of the generator conditioned so, on its instances, of class 2.
of()
{
	local how=$1
	shift
	case $how in
	none) set -- "$@" ;;
	class) set -- "$@" --class 2 ;;
	instance) set -- "$@" "${styles}instances.npy" ;;
	both) set -- "$@" --class 2 "${styles}instances.npy" ;;
	esac
	ic-sample -m "$styles$how.safetensors" "$@"
}
bytes()
{
	ic-pack --size 16 - | ic-store dump - | awk '/^#key/ { at = NF } !/^#/ { for (i = at; i <= NF; i++) print $i }'
}
# near A B: bytes are equal, or in places one apart.
near()
{
	paste <(bytes <"$1") <(bytes <"$2") | awk '{ d = $1 - $2; n += d != 0 } d > 1 || d < -1 { bad++ }
		END { exit bad || n > NR / 100 || !NR }'
}
pixels() { sed '1,8d'; }

for how in none class instance both; do
	of $how --noise "${styles}noise.npy" >$how.pam
	ok "$how: the pictures of PyTorch" near $how.pam "$styles$how.ppm"
	ok "$how: nine samples" eval "of $how -n 9 >nine.pam"
	for options in "-b 1" "-b 4" "-t 1"; do
		check_same "$how: the same with $options" "of $how -n 9 $options" "cat nine.pam"
	done
	check_same "$how: the first five do not depend on the others" "of $how -n 5 | sed 's/of=5/of=9/'" \
		"head -c \$(of $how -n 5 | wc -c) nine.pam"
done
ok "truncated: the pictures of PyTorch" eval \
	'of both --noise "${styles}noise.npy" --truncation 0.6 >psi.pam && near psi.pam "${styles}both0.6.ppm"'
ok "which are others" eval '! near psi.pam both.pam'
check_same "T of 0 leaves the mean, the same for all conditions" "of both -n 1 --truncation 0 --stored-planes | pixels" \
	"ic-sample -m ${styles}both.safetensors --class 1 ${styles}instances.npy -n 2 --truncation 0 --stored-planes | tail -c 768"
check_same "T of 1 changes nothing" "of both -n 3 --truncation 1" "of both -n 3"

# The length of noise is nothing.
ic-store load "${styles}noise.npy" -o z.mdb
ic-store dump z.mdb | awk -F '\t' -v OFS='\t' '!/^#/ { for (i = 2; i <= NF; i++) $i *= 4 } 1' | ic-store load -o z4.mdb
check_same "noise four times as long" "of both --noise z4.mdb" "cat both.pam"

# Planes of noise: with a style that is all but the mean, they are what pictures differ in.
of none --truncation 0.01 --seeds 3-4 --between-noises 3 >way.pam
way() { bytes <"$1" | awk '{ p = (NR - 1) % 768; if (NR > 768) { d = $1 - x[p]; s += d * d } x[p] = $1 }
	p == 767 && NR > 768 { print s; s = 0 }'; }
check_same "a seed has the planes of the first sample of --seed" "of none --seeds 3 | pixels" "of none -n 1 -s 3 | pixels"
check_same "planes begin as those of the first seed" "of none --truncation 0.01 --seeds 3 | pixels" \
	"head -c \$(of none --seeds 3 | wc -c) way.pam | pixels"
check_same "and end as those of the second" "of none --truncation 0.01 --seeds 4 | pixels | tail -c 768" "tail -c 768 way.pam"
check_same "in equal steps, of which each is shorter than a third of the way" \
	"{ of none --truncation 0.01 --seeds 3-4 >ends.pam; way ends.pam; way way.pam; } |
		awk 'NR == 1 { all = \$1; next } { n++; bad += !(\$1 > all / 50 && \$1 < all / 9) } END { print n, bad + 0 }'" "echo 4 0"
of none --truncation 0.01 --seeds 3-4 --stored-planes >still.pam
check_same "stored planes are the same in all samples" "{ way still.pam; way ends.pam; } |
	awk 'NR == 1 { s = \$1 } END { print NR, (100 * s < \$1) }'" "echo 2 1"
check_same "rows of noise have the stored ones" "of none --noise z.mdb --stored-planes" "cat none.pam"
check_same "bytes that the published scripts cut off are rounded" "of both -n 3 --compat" "of both -n 3"

# A part of a checkpoint, with what its metadata say.
names() { ic-store ls "$1" | awk -F '\t' '$2 !~ /^__|^name/ { sub(/^G_ema\./, "", $2); print $2, $3, $4 }'; }
ok "export" ic-store export --net G_ema "${styles}both.safetensors" -o g.safetensors
check_same "has all tensors with their shapes, in order" "names g.safetensors" "names ${styles}both.safetensors"
check_same "noise strengths are single numbers" "names g.safetensors | grep noise_strength | cut -d ' ' -f 2-" \
	"printf 'F32 \nF32 \nF32 \nF32 \nF32 \n'"
check_same "the same pictures" "ic-sample -m g.safetensors --class 2 ${styles}instances.npy --noise z.mdb" "cat both.pam"
changed() { sed "$1" "${2:-g.safetensors}" >changed.safetensors; }
ok "another clamp gives others" eval 'changed "s/\"clamp_g\":\"1.25\"/\"clamp_g\":\"0.75\"/" &&
	ic-sample -m changed.safetensors --class 2 "${styles}instances.npy" --noise z.mdb >other.pam && ! near other.pam both.pam'

# refuses TEXT NAME SED-SCRIPT: a generator changed so.
refuses()
{
	changed "$3" "${4:-${styles}none.safetensors}"
	fails_with "$1" "$2" ic-sample -m changed.safetensors -n 1
}
refuses "no tensor synthesis.b8.conv1.bias" "a tensor is missing" "s/synthesis.b8.conv1.bias/synthesis.b8.conv1.bia_/"
refuses "no tensor synthesis.b4.torgb.weight" "no image of 4 pixels: another architecture" "s/b4.torgb.weight/b4.torg_.weight/"
refuses "found tensor synthesis.b24" "no power of two" "s/synthesis.b16/synthesis.b24/g"
refuses "tensor synthesis.b8.conv1.weight has another shape" "channels of no one base" \
	's/\("synthesis.b8.conv1.weight":{"dtype":"F32","shape":\)\[4,4,3,3\]/\1[2,8,3,3]/'
refuses "resolution 4: expected a power of two, 8 to 1024" "four pixels alone" \
	"s/synthesis.b8.conv1.weight/synthesis.b8.conv1.weigh_/"
refuses "found tensor mapping.fc1_weight" "a tensor more" "s/mapping.fc1.weight/mapping.fc1_weight/"
refuses "not those of a generator" "no mapping" "s/mapping.w_avg/mapping.w_av_/"
refuses "no tensor output_layer.2.weight or synthesis.b4.const" "no generator" "s/synthesis.b4.const/synthesis.b4.cons_/"
refuses "activations within -1.2 and 256" "a clamp below zero" 's/"clamp_g":"1.25"/"clamp_g":"-1.2"/' g.safetensors
fails_with "no tensor output_layer.2.weight or synthesis.b4.const" "a discriminator" \
	ic-sample -m "$golden/discriminator.safetensors" -n 1
fails_with "knows no classes" "a class for a model without" ic-sample -m "${styles}none.safetensors" -n 1 --class 1
fails_with "knows 3 classes" "a class it does not know" ic-sample -m "${styles}class.safetensors" -n 1 --class 3
fails_with "rows of 7, expected 6" "noise of another width" of none --noise "${styles}instances.npy"
fails_with "rows of 6, expected 7" "instances of another width" \
	ic-sample -m "${styles}instance.safetensors" "${styles}noise.npy" -n 1
exits 2 "--clamp of styles" of none -n 1 --truncation 0.5 --clamp
exits 2 "T of 0 of a BigGAN" ic-sample -m "$golden/generator.safetensors" -n 1 --truncation 0
fails_with "found a pickle" "a snapshot in place of rows" ic-fid "$golden/snapshot.pkl" "${styles}noise.npy"
exits 2 "--stored-planes of a BigGAN" ic-sample -m "$golden/generator.safetensors" -n 1 --stored-planes
done_testing
