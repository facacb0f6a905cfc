#!/bin/bash
# gpu.sh: the CUDA backend on a machine with a GPU, in phases that take a few minutes each:
#
#	gpu.sh check    every op against its definition, recorded runs, whole programs
#	gpu.sh ops      products of a BigGAN step and of ResNet-50, by our kernels and by cuBLASLt, and passes over memory, one by one,
#	                as TSV
#	gpu.sh train    training steps beside PyTorch's, alternately, as TSV; PEER is a python with torch
#	gpu.sh steps    where the time of a training step goes, by kind of step of its tapes
#	gpu.sh knn      exact neighbours of random rows beside PyTorch's in tf32, which are not exact, as TSV: up to ImageNet's size
#	gpu.sh kmeans   rounds of k-means, the same way
#	gpu.sh embed    networks for features beside PyTorch's, and ic-embed as a whole
#	gpu.sh demo     pictures of DATA (a folder; default: drawn here) through the whole pipeline
#	gpu.sh all      all of these, one after the other
#
# With nvcc and the packages of `make deps' there, `make' builds what it needs.  For a machine without them, run
#
#	gpu.sh carry FOLDER
#
# on one that has them (no GPU is needed): FOLDER (some 60 MB) then holds programs, the CUDA library and the libraries they load.
# Take it along with this tree and say B=FOLDER there.  Without a GPU it says what is missing and exits 1.
# cuBLASLt is too large to be carried: it is IC_CUBLAS, the system's, or the one that PEER's packages have.
cd "$(dirname "$0")/../.." || exit
B=${B:-build}
PEER=${PEER:-python3}
REPEATS=${REPEATS:-3}
STEPS=${STEPS:-10}
PRECISION=${PRECISION:-bf16}

lacks() { echo "gpu.sh: $*" >&2; exit 1; }

programs() { echo "$B"/bin/ic-* "$B"/tests/{check-ops,check-device,check-sweep} "$B"/bench/{device,train,stat,embed}; }

build()
{
	[ ! -d "$B/needed" ] || return 0          # carried along
	command -v nvcc >/dev/null || lacks "no nvcc, and $B was not made by \`gpu.sh carry'"
	make -j "$(nproc)" B="$B" all "$B"/tests/{check-ops,check-device,check-sweep} "$B"/bench/{device,train,stat,embed} >&2 ||
		lacks "make failed"
}

carry()
{
	local to=$1 p
	[ -n "$to" ] || { echo "gpu.sh: carry FOLDER" >&2; exit 2; }
	build
	mkdir -p "$to"/{bin,lib,tests,bench,needed} || exit
	for p in $(programs); do strip -o "$to/${p#"$B"/}" "$p" || exit; done
	cp "$B/lib/libic-cuda.so" "$to/lib/" || exit
	ldd $(programs) "$to/lib/libic-cuda.so" | awk '$3 ~ /^\// { print $3 }' | sort -u |
		grep -vE '/lib(c|m|pthread|dl|rt)\.so' | xargs -I{} cp -L {} "$to/needed/" || exit
	du -sh "$to"
}

# cuBLASLt where a program does not look for it: of the CUDA toolkit, of PEER's packages; the newer first.
cublas()
{
	local packages version
	packages=$("$PEER" -c 'import nvidia; print(*nvidia.__path__)' 2>/dev/null)
	for version in 13 12; do
		ls -d /usr/local/cuda/lib64/libcublasLt.so.$version ${packages:+"${packages%% *}"/*/lib/libcublasLt.so.$version} 2>/dev/null
	done | head -n 1
}

# What every phase needs; afterwards our programs come first.
ready()
{
	build
	B=$(cd "$B" && pwd)
	command -v nvidia-smi >/dev/null || [ -e /dev/nvidiactl ] || lacks "no GPU: nvidia-smi and /dev/nvidiactl are missing"
	[ -e "$B/lib/libic-cuda.so" ] || lacks "no $B/lib/libic-cuda.so: it was built without nvcc"
	export PATH=$B/bin:$PATH IC_CUDA=$B/lib/libic-cuda.so LD_LIBRARY_PATH=$B/needed${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	ldconfig -p | grep -q 'libcublasLt\.so\.1[23]' || export IC_CUBLAS=${IC_CUBLAS:-$(cublas)}
	export TMP=${TMP:-$(mktemp -d)} IC_WEIGHTS=${IC_WEIGHTS:-$PWD/pipelines/weights}
	nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | sed 's/^/# /'
	nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sed 's/^/# compute capability /'
}

check() { BIN=$B/bin tests/run.sh tests/ops-cuda.t tests/ops-cublas.t "$B"/tests/check-{device,sweep} tests/cuda.t; }

# Ours; the peer in bf16, channels last, as it is and compiled: the faster of the two.
train()
{
	local job ours peer way
	printf '#side\tch\tbatch\tprecision\tours_s\tpeer_s\tratio\tpeer\n'
	for job in "64 64 256" "128 96 64"; do
		ours=$TMP/ours peer=$TMP/peer
		echo "nan none" >"$peer"
		rm -f "$ours"
		for _ in $(seq "$REPEATS"); do
			"$B/bench/train" $job 0 "$STEPS" "cuda-$PRECISION" >>"$ours" || exit
			for way in eager compiled; do
				COMPILE=${way#eager} DEVICE=cuda AMP=bf16 CHANNELS_LAST=1 \
					"$PEER" tests/bench/peer/train.py $job 4 "$STEPS" >"$TMP/line" 2>"$TMP/err" &&
					echo "$(cut -f 5 "$TMP/line") $way, $(cut -f 8 "$TMP/line")" >>"$peer" ||
					echo "# peer, $way: $(tail -n 1 "$TMP/err")"
			done
		done
		echo "$(cut -f 5 "$ours" | sort -g | head -n 1) $(grep -v nan "$peer" | sort -g | cat - "$peer" | head -n 1)" |
			awk -v OFS='\t' -v job="${job// /	}" -v precision="$PRECISION" '{ ours = $1; theirs = $2; sub(/^[^ ]* [^ ]* /, "")
				print job, precision, ours, theirs, sprintf("%.2f", theirs / ours), $0 }'
	done
}

# The line with the least time.
least() { sort -t "$(printf '\t')" -k 2,2g "$1" | head -n 1; }

# beside JOB...: ours and the peer, the least of REPEATS; ours with all that it says.
beside()
{
	local job ours=$TMP/ours peer=$TMP/peer
	printf '#what\tours_s\tpeer_s\tratio\tours\tpeer\n'
	for job; do
		rm -f "$ours"
		printf '\tnan\tnone\n' >"$peer"
		for _ in $(seq "$REPEATS"); do
			"$B/bench/stat" cuda-bf16 $job >>"$ours" || exit
			"$PEER" tests/bench/peer/gpu.py $job >>"$peer" 2>"$TMP/err" || echo "# peer: $(tail -n 1 "$TMP/err")"
		done
		paste <(least "$ours") <(grep -v nan "$peer" | least - | cat - "$peer" | head -n 1) |
			awk -F '\t' -v OFS='\t' '{ print $1, $2, $5, sprintf("%.2f", $5 / $2), $3, $6 }'
	done
}

knn() { beside "knn 20000 2048 50" "knn 100000 2048 50"; REPEATS=1 beside "knn 1281167 2048 50"; }
kmeans() { beside "kmeans 50000 2048 1000 10" "kmeans 256000 2048 1000 10"; }

# Networks alone at batches of 64, then 2400 pictures of 64 pixels from their store to rows.
embed()
{
	local net precision i
	printf '#net\tbatch\tprecision\tours_s\timages/s\tpeer\n'
	for net in resnet50 inception-torchvision efficientnet-lite0; do
		for precision in tf32 bf16; do
			"$B/bench/embed" $net 64 cuda-$precision 10 >"$TMP/ours" || exit
			DEVICE=cuda AMP=$precision WAYS="nhwc compile" "$PEER" tests/bench/peer/embed.py $net 64 1 10 \
				>"$TMP/peer" 2>"$TMP/err" || echo "# peer: $(tail -n 1 "$TMP/err")"
			printf '%s\t64\t%s\t%s\t%s\n' $net $precision "$(cut -f 3,4 "$TMP/ours")" \
				"$(awk -F '\t' '{ printf "%s %s s; ", $2, $3 }' "$TMP/peer")"
		done
	done
	for i in $(seq 400); do cat tests/golden/embed/64.ppm; done | ic-pack -q -f --size 64 -o "$TMP/i.mdb" - >/dev/null || exit
	for precision in f32 tf32 bf16; do
		ic-embed -v -f -d cuda --precision $precision "$TMP/i.mdb" -o "$TMP/f.mdb" 2>&1 | sed "s/^/# $precision: /"
	done
}

ops()
{
	local precision
	IC_CUBLAS=none "$B/bench/device" "cuda-$PRECISION" || exit
	"$B/bench/device" "cuda-$PRECISION" 512 products || exit
	for precision in tf32 bf16; do
		[ $precision = "$PRECISION" ] && continue
		IC_CUBLAS=none "$B/bench/device" cuda-$precision 512 products || exit
		"$B/bench/device" cuda-$precision 512 products || exit
	done
}
steps() { "$B/bench/train" 64 64 256 0 "$STEPS" "cuda-$PRECISION" steps; }

# Discs of changing colour and place, four kinds.
pictures()
{
	awk 'BEGIN { srand(1)
		for (i = 0; i < 4000; i++) {
			x = 8 + rand() * 16; y = 8 + rand() * 16; r = 3 + rand() * 6; k = i % 4
			printf "P6\n32 32\n255\n"
			for (v = 0; v < 32; v++) for (u = 0; u < 32; u++) {
				inside = (u - x) ^ 2 + (v - y) ^ 2 < r * r
				printf "%c%c%c", inside ? 60 + 40 * k : 20, inside ? 180 - 30 * k : 25, inside ? 90 : 30 + v
			}
		} }' | LC_ALL=C ic-pack -f --size 32 - -o "$1"
}

demo()
{
	local out=${OUT:-$TMP/demo}
	mkdir -p "$out" && cd "$out" || exit
	if [ -n "$DATA" ]; then ic-pack -f --size 32 "$DATA" -o images.mdb; else pictures images.mdb; fi &&
		ic-embed -f images.mdb -o feats.mdb && ic-knn -f -k 50 feats.mdb -o near.mdb &&
		ic-train -f images.mdb feats.mdb near.mdb -o run.safetensors --minutes "${MINUTES:-3}" -v -d cuda --precision "$PRECISION" \
			--log log.jsonl &&
		ic-sample run.safetensors feats.mdb -n 64 -d cuda --precision "$PRECISION" | ic-grid -f --columns 8 -o sheet.png &&
		ic-sample run.safetensors feats.mdb -n 2000 -d cuda --precision "$PRECISION" | ic-embed - | ic-fid feats.mdb - &&
		tail -n 1 log.jsonl
}

all() { for phase in check ops train steps knn kmeans embed demo; do echo "# $phase"; ("$phase"); done; }

case $1 in
carry) carry "$2" ;;
all|check|ops|train|steps|knn|kmeans|embed|demo)
	ready
	"$1" ;;
*) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
