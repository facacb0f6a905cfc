# python: neighbours from and to Python, where it has numpy.
. tests/tap.sh
PEER=${PEER:-python3}
script=$PWD/pipelines/neighbours.py
if ! "$PEER" -c 'import numpy' 2>/dev/null; then
	echo "ok 1 # skip no numpy for $PEER"
	echo 1..1
	exit 0
fi
cd "$TMP" || exit 1

awk 'BEGIN {
	srand(5)
	printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t12\n#root\t000000000000004d\n#key\tvalues\n"
	for (i = 0; i < 200; i++) {
		printf "%d", i
		for (j = 0; j < 12; j++) printf "\t%.5f", rand() - 0.5
		printf "\n"
	}
	print "#end"
}' | ic-store load - -o f.mdb 2>/dev/null
id=$(ic-store ls f.mdb | awk 'END { print $6 }')
ok "features to Python" ic-store export f.mdb -o f.npy
ok "neighbours from Python" sh -c "'$PEER' '$script' f.npy 7 $id 000000000000004d | ic-store load - -o theirs.mdb"
ok "ours" ic-knn -q -k 7 f.mdb -o ours.mdb
check_same "have the same ids" "ic-store dump theirs.mdb | grep -v '^#' | cut -f 1-8" "ic-store dump ours.mdb | grep -v '^#' | cut -f 1-8"
check_same "and lineage" "ic-store ls theirs.mdb | awk 'END { print \$2, \$3, \$4, \$7, \$8 }'" \
	"ic-store ls ours.mdb | awk 'END { print \$2, \$3, \$4, \$7, \$8 }'"
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
