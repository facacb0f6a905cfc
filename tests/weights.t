# weights: one generator in three containers is one generator to the tools; stored instances;
# reading starts no program.
. tests/tap.sh
golden=tests/golden/generator

# tensors FILE: name, type and shape of each
tensors()
{
	ic-store ls "$1" | cut -f 2-4 | grep -v __metadata__ | sort
}
check_same "ls: a checkpoint of today and safetensors" "tensors $golden.pth" \
	"tensors $golden.safetensors"
check_same "ls: a checkpoint of before 2020" "tensors $golden-legacy.pth" \
	"tensors $golden.safetensors"
check_same "ls: what was chosen and stripped" \
	"ic-store ls $golden.pth | grep __metadata__ | cut -f 9" \
	"printf 'chosen=state_dict\nstripped=module.\n'"
check_same "samples of a checkpoint of today" "ic-sample $golden.pth -n 2 --class 1" \
	"ic-sample $golden.safetensors -n 2 --class 1"
check_same "samples of a checkpoint of before 2020" "ic-sample $golden-legacy.pth -n 2 --class 1" \
	"ic-sample $golden.safetensors -n 2 --class 1"

# The networks of a snapshot as files, their attributes with them.
for net in G D G_ema; do
	for kind in pkl safetensors; do
		ok "$net of a snapshot, $kind" \
			ic-store export --net $net tests/golden/snapshot.$kind -o "$TMP/$net-$kind.safetensors"
	done
	check_same "ls: its tensors" "tensors $TMP/$net-pkl.safetensors" "tensors $TMP/$net-safetensors.safetensors"
	ok "their bytes" cmp <(tail -c 3800 "$TMP/$net-pkl.safetensors") <(tail -c 3800 "$TMP/$net-safetensors.safetensors")
done
check_same "and what the weights do not tell" \
	"ic-store ls $TMP/D-pkl.safetensors | grep -F D.b4.mbstd= | cut -f 9" \
	"echo 'D.b4.mbstd={\"_init_kwargs\":{},\"group_size\":4,\"num_channels\":1}'"
ok "one layer of a file from which much is left out" \
	ic-store export --net conv1 tests/fuzz/corpus/weights/zip_moco.pth -o "$TMP/moco.safetensors"
check_same "is a file of weights" "ic-store ls $TMP/moco.safetensors | tail -n 1 | cut -f 2-4" "printf 'weight\tF32\t4x3x3x3\n'"
ok "instances for a snapshot" ic-store load tests/golden/stylegan2/styles_instances.npy -o "$TMP/seven.mdb"
check_same "samples of a snapshot" "ic-sample tests/golden/snapshot.pkl $TMP/seven.mdb -n 3" \
	"ic-sample $TMP/G_ema-safetensors.safetensors $TMP/seven.mdb -n 3"
check_same "three of them" "ic-sample tests/golden/snapshot.pkl $TMP/seven.mdb -n 3 | grep -ao TUPLTYPE | wc -l" "echo 3"

corpus=tests/fuzz/corpus/weights
fails_with "found os.system, expected a tensor" "a call in place of a tensor" \
	ic-store ls $corpus/evil_system.pth
fails_with "TorchScript" "a program in place of a generator" ic-sample $corpus/torchscript.pt -n 1
check_same "ls: the tensors of a program's modules" \
	"ic-store ls $corpus/torchscript.pt | cut -f 2-4 | tail -n +2 | head -n 3" \
	"printf 'conv.weight\tF32\t2x1x3x3\nconv.bias\tF32\t2\nbn.weight\tF32\t2\n'"
check_same "a name that a terminal would obey" \
	"ic-store ls $corpus/name_esc.pth | tail -n 1 | cut -f 2" \
	"printf '%s\n' '\\x1b]0;x\\x07w'"
head -c 30000 $golden.pth >"$TMP/cut.pth"
fails_with "cut or damaged" "a file cut short" ic-sample "$TMP/cut.pth" -n 1 --class 1

# Stored instances as the published code has them: a pickled dictionary of features, labels, paths.
instances=tests/golden/instances.npy
check_same "ls: what a pickled dictionary holds" \
	"ic-store ls $instances | cut -f 2-4,9 | tail -n +2" \
	"printf '__metadata__\t\t\tleft out=image_path\n'
	printf 'instance_features\tF32\t4x1280\t\nlabels\tI64\t4\t\n'"
check_same "its rows, with labels and keys from 0" \
	"ic-store load $instances | ic-store dump - | grep -v '^#'" \
	'awk "BEGIN { for (r = 0; r < 4; r++) { printf \"%d\t%d\", r, r % 3
		for (c = 0; c < 1280; c++) printf \"\t%.9g\", (31 * r + c) % 64 / 64 - 0.5
		print \"\" } }"'
ok "as a store" ic-store load $instances -o "$TMP/i.mdb"
check_same "is as good as the file" "ic-knn -k 2 $instances | ic-store dump -" \
	"ic-knn -k 2 $TMP/i.mdb | ic-store dump -"
ok "an array of numbers" ic-store export "$TMP/i.mdb" -o "$TMP/plain.npy"
check_same "is rows too" "ic-store load $TMP/plain.npy | ic-store dump - | cut -f 2-" \
	"ic-store dump $TMP/i.mdb | sed 's/^#key\tlabel/#key/' |
		awk -F'\t' '!/^#/ { sub(/\t[0-9]*/, \"\") } { print }' | cut -f 2-"
ok "rows by the keys 0 1 5 7" eval \
	"ic-store dump $TMP/i.mdb | sed 's/^3\t/7\t/; s/^2\t/5\t/' | ic-store load -o $TMP/j.mdb"
check_same "those that a k-means chose, in order, each once" \
	"ic-store cat --keys tests/golden/centres.npy $TMP/j.mdb | ic-store dump - |
		cut -f 1 | grep '^[0-9]'" \
	"printf '0\n5\n7\n'"
corpus=tests/fuzz/corpus/npy
fails_with "expected 0 to" "keys below 0" \
	ic-store cat --keys $corpus/kmeans_neg.npy "$TMP/i.mdb"
fails_with "found keys of rows" "keys are no rows" ic-store load tests/golden/centres.npy
fails_with "found no center_examples" "rows are no keys" ic-store cat --keys $instances "$TMP/i.mdb"
fails_with "neither instance_features nor" "another dictionary" \
	ic-store load $corpus/kmeans_nokey.npy
fails_with "found Python's objects" "a call in place of an array" \
	ic-store load $corpus/evil_kmeans.npy

objects=${BIN:-build/bin}/../obj/formats
starts_nothing()
{
	! nm -u "$objects"/{pickle{,_scan},torch{,_zip,_legacy,_tar,_script,_walk,_modules}}.o \
		"$objects"/{zip,weights,npy{,_dict}}.o |
		grep -E '\b(system|popen|exec[lv]\w*|fork|posix_spawn\w*|dlopen|dlsym)\b' >&2
}
ok "the readers know no way to start or load a program" starts_nothing
done_testing
