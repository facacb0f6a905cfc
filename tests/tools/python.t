# python: stores and neighbours in Python, where it has numpy and lmdb.
. tests/tap.sh
PEER=${PEER:-python3}
script=$PWD/pipelines/neighbours.py
if ! "$PEER" -c 'import numpy, lmdb' 2>/dev/null; then
	echo "ok 1 # skip no numpy or no lmdb for $PEER"
	echo 1..1
	exit 0
fi
cd "$TMP" || exit 1

awk 'BEGIN {
	srand(5)
	printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t12\n#root\t000000000000004d\n#key\tvalues\n"
	for (i = 0; i < 200; i++) {
		printf "%d", 3 * i + 1
		for (j = 0; j < 12; j++) printf "\t%.5f", rand() - 0.5
		printf "\n"
	}
	print "#end"
}' | ic-store load - -o f.mdb 2>/dev/null
ok "neighbours by Python, from the store" sh -c "'$PEER' '$script' f.mdb 7 | ic-store load - -o theirs.mdb"
ok "ours" ic-knn -q -k 7 f.mdb -o ours.mdb
check_same "have the same ids" "ic-store dump theirs.mdb | grep -v '^#' | cut -f 1-8" "ic-store dump ours.mdb | grep -v '^#' | cut -f 1-8"
check_same "and lineage" "ic-store ls theirs.mdb | awk 'END { print \$2, \$3, \$4, \$7, \$8 }'" \
	"ic-store ls ours.mdb | awk 'END { print \$2, \$3, \$4, \$7, \$8 }'"

# Labels, and more than one block.
awk 'BEGIN {
	srand(6)
	printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t701\n#key\tlabel\tvalues\n"
	for (i = 0; i < 400; i++) {
		printf "%d\t%d", 2 * i, i % 3
		for (j = 0; j < 701; j++) printf "\t%.3f", rand() - 0.5
		printf "\n"
	}
	print "#end"
}' | ic-store load - -o l.mdb 2>/dev/null
check_same "of several blocks, with labels" "$PEER $script l.mdb 3 | ic-store load - | ic-store dump - | grep -v '^#' | cut -f 1-4" \
	"ic-knn -q -k 3 l.mdb | ic-store dump - | grep -v '^#' | cut -f 1,3-5"
ok "ours to Python" ic-store export ours.mdb -o ours.safetensors
cat >read.py <<'END'
import json, numpy as np
b = open("ours.safetensors", "rb").read()
n = int.from_bytes(b[:8], "little")
t = json.loads(b[8:8 + n])["ids"]
ids = np.frombuffer(b[8 + n:][slice(*t["data_offsets"])], "<u4" if t["dtype"] == "U32" else "<i8").reshape(t["shape"])
for row in ids: print(*row, sep="\t")
END
check_same "as ids of rows" "$PEER read.py" "ic-store dump ours.mdb | grep -v '^#' | cut -f 2-8"
done_testing
