#!/bin/bash
# gpu.sh: the CUDA backend on a machine with a GPU, in phases that take a few minutes each:
#
#	gpu.sh check    every op against its definition, recorded runs, whole programs
#	gpu.sh ops      products of a BigGAN step and of ResNet-50, by our kernels and by cuBLASLt, and passes over memory, one by one,
#	                as TSV
#	gpu.sh train    training steps beside PyTorch's, alternately, as TSV; PEER is a python with torch
#	gpu.sh steps    where the time of a training step goes, by kind of step of its tapes, beside the least it could be
#	gpu.sh knn      exact neighbours of random rows beside PyTorch's in tf32, which are not exact, as TSV: up to ImageNet's size
#	gpu.sh kmeans   rounds of k-means, the same way
#	gpu.sh embed    networks for features beside PyTorch's, and ic-embed as a whole
#	gpu.sh demo     pictures of DATA (a folder; default: drawn here) through the whole pipeline
#	gpu.sh all      all of these, one after the other; several phases may be named, too
#
# With nvcc and the packages of `make deps' there, `make' builds what it needs.  For a machine without them, run
#
#	gpu.sh carry FILE
#
# on one that has them (no GPU is needed): FILE, a .tar.gz, then holds programs, the CUDA library, in which CUDA's runtime is, and the
# libraries they load.  Take it along with this tree and say B=FILE there.  Files are looked for from the top of the tree.  Nothing
# begins before a program has opened the GPU: what is missing is told, and the exit status 1.  Each phase adds to
# RESULTS/gpu-PHASE.txt as it goes; a program that fails, or takes longer than LIMIT or than what is left of WITHIN, is told and left
# out.  REHEARSE=1: with small sizes on the emulated device.
# CUDA_FORCE_PTX_JIT=1: an H100 runs the kernels of an A100, whose warps multiply by themselves.
# cuBLASLt is too large to be carried: it is IC_CUBLAS, the system's, or the one that the CUDA toolkit or PEER's packages have.
cd "$(dirname "$0")/../.." || exit
B=${B:-build}
PEER=${PEER:-python3}
RESULTS=${RESULTS:-build/gpu}
if [ -n "$REHEARSE" ]; then
	IC_CUDA=${IC_CUDA:-build/tests/libic-cuda-host.so} IC_CUBLAS=${IC_CUBLAS:-build/tests/libic-cuda-host.so}
	export DEVICE=cpu IC_CUBLAS
	LIMIT=${LIMIT:-900} REPEATS=1 STEPS=1 OPS='1 8' TRAIN='32 2 2,stylegan2 32 1 4' KNN='300 64 5' KNN_LARGE='500 64 5' KMEANS='300 64 10 2'
	NETS=efficientnet-lite0 BATCH=1 PICTURES=1 DRAWN=60 DEMO='--steps 2 --ch 2 -b 4' SAMPLES=12
fi
LIMIT=${LIMIT:-150}                      # seconds of one program
WITHIN=${WITHIN:-86400}                  # seconds of all together
REPEATS=${REPEATS:-2}
STEPS=${STEPS:-10}
PRECISION=${PRECISION:-bf16}
# TFLOP/s and GB/s that no step can go beyond: an H100's (NVIDIA, H100 Tensor Core GPU datasheet, SXM, dense)
case $PRECISION in bf16) TFLOPS=${TFLOPS:-990} ;; tf32) TFLOPS=${TFLOPS:-495} ;; *) TFLOPS=${TFLOPS:-67} ;; esac
BANDWIDTH=${BANDWIDTH:-3350}
OPS=${OPS:-512 1}                        # pictures, and what their sides and channels are divided by
TRAIN=${TRAIN:-64 64 256,128 96 64,stylegan2 128 64 16}   # side, ch, batch; of StyleGAN2 where it says so, else of BigGAN
KNN=${KNN:-20000 2048 50,100000 2048 50}
KNN_LARGE=${KNN_LARGE:-1281167 2048 50}
KMEANS=${KMEANS:-50000 2048 1000 10,256000 2048 1000 10}
NETS=${NETS:-resnet50 inception-torchvision efficientnet-lite0}
BATCH=${BATCH:-64}
PICTURES=${PICTURES:-400}                # times six are embedded
DRAWN=${DRAWN:-4000}
DEMO=${DEMO:---minutes 2}
SAMPLES=${SAMPLES:-2000}
PHASES="check ops steps train embed demo knn kmeans"
THEIRS=$LD_LIBRARY_PATH
PATH=$PATH:/usr/local/cuda/bin:/sbin
export DEVICE=${DEVICE:-cuda}            # the peer's

# Seconds that a program may take; limited COMMAND...: and no longer.
left() { echo $((WITHIN - SECONDS < LIMIT ? WITHIN - SECONDS : LIMIT)); }

limited()
{
	local seconds=$(left)
	[ "$seconds" -gt 0 ] || { echo "no time left" >&2; return 1; }
	timeout -k 10 "$seconds" "$@"
}

lacks() { echo "gpu.sh: $*" >&2; exit 1; }

measures() { echo "$B"/tests/{check-ops,check-bf16,check-chain,check-device,check-recompute,check-sweep} "$B"/bench/{device,train,stat,embed}; }
programs() { echo "$B"/bin/ic-* $(measures); }

build()
{
	if [ -f "$B" ]; then                      # carried along
		mkdir "$TMP/built" && tar -C "$TMP/built" -xzf "$B" || lacks "$B cannot be unpacked into $TMP/built"
		B=$TMP/built
		[ -d "$B/needed" ] || lacks "$B is no archive that gpu.sh has made"
	fi
	[ ! -d "$B/needed" ] || return 0
	[ -n "$IC_CUDA" ] || command -v nvcc >/dev/null || lacks "no nvcc, and $B was not made by \`gpu.sh carry'"
	make -s -j "$(nproc)" B="$B" all $(measures) ${REHEARSE:+"$B/tests/libic-cuda-host.so"} >&2 ||
		lacks "make failed"
}

carry()
{
	local file=$1 to=$TMP/carried p
	[ -n "$file" ] || usage
	unset IC_CUDA
	build
	mkdir -p "$to"/{bin,lib,tests,bench,needed} || exit
	for p in $(programs); do strip -o "$to/${p#"$B"/}" "$p" || exit; done
	cp "$B/lib/libic-cuda.so" "$to/lib/" || exit
	ldd $(programs) "$to/lib/libic-cuda.so" >"$TMP/ldd" || exit
	! grep 'not found' "$TMP/ldd" >&2 || lacks "a library is missing here"
	awk '$3 ~ /^\// { print $3 }' "$TMP/ldd" | sort -u |
		grep -vE '/lib(c|m|pthread|dl|rt|stdc\+\+|gcc_s)\.so' | xargs -I{} cp -L {} "$to/needed/" || exit
	tar -C "$to" -czf "$file.part" . && mv "$file.part" "$file" && du -h "$file"
}

# cuBLASLt where a program does not look for it: of the CUDA toolkit, of PEER's packages; the newer first.
cublas()
{
	local packages version
	packages=$(LD_LIBRARY_PATH=$THEIRS limited "$PEER" -c 'import nvidia; print(*nvidia.__path__)' 2>/dev/null)
	for version in 13 12; do
		ls -d /usr/local/cuda/lib64/libcublasLt.so.$version ${packages:+"${packages%% *}"/*/lib/libcublasLt.so.$version} 2>/dev/null
	done
}

# What multiplies on the device, in a line; or why there is none.
engine() { limited "$B/bench/device" "$1" 0 2>&1 | tail -n 1 | sed 's/^# nothing to time: //'; }

# The first of cuBLASLt that works: the one that was asked for, the system's, one that is found.
choose_cublas()
{
	local found said
	engine=$(engine cuda-bf16) || lacks "no device: $engine"
	[ -z "$IC_CUBLAS" ] || return
	for found in $(cublas); do
		case $engine in *"by cuBLASLt"*) return ;; esac
		if said=$(IC_CUBLAS=$found engine cuda-bf16); then
			engine=$said
			export IC_CUBLAS=$found
		else
			echo "gpu.sh: $said" >&2
		fi
	done
}

# What every phase needs; afterwards our programs come first.
ready()
{
	[ -n "$IC_CUDA" ] || command -v nvidia-smi >/dev/null || [ -e /dev/nvidiactl ] ||
		lacks "no GPU: nvidia-smi and /dev/nvidiactl are missing"
	build
	B=$(cd "$B" && pwd)
	[ -n "$IC_CUDA" ] || [ -e "$B/lib/libic-cuda.so" ] || lacks "no $B/lib/libic-cuda.so: it was built without nvcc"
	ldconfig -p 2>/dev/null | grep 'libcuda\.so\.1' >/dev/null || [ ! -e /usr/local/nvidia/lib64/libcuda.so.1 ] ||
		THEIRS=${THEIRS:+$THEIRS:}/usr/local/nvidia/lib64
	export PATH=$B/bin:$PATH IC_CUDA=$(realpath "${IC_CUDA:-$B/lib/libic-cuda.so}") LD_LIBRARY_PATH=$B/needed${THEIRS:+:$THEIRS}
	case $IC_CUBLAS in */*) export IC_CUBLAS=$(realpath "$IC_CUBLAS") ;; esac
	engine=$(engine cuda-f32) || lacks "no device: $engine"
	choose_cublas
	export IC_WEIGHTS=${IC_WEIGHTS:-$PWD/pipelines/weights}
	mkdir -p "$RESULTS" || exit
}

# The machine in words.
about()
{
	LD_LIBRARY_PATH=$THEIRS nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total --format=csv,noheader 2>/dev/null | sed 's/^/# /'
	echo "# $(nproc) processors, $(awk -F ': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
	echo "$engine"
}

check()
{
	local by_cublas=tests/ops-cublas.t
	case $engine in *"by cuBLASLt"*) ;; *) by_cublas= && echo "# left out: ops-cublas.t" ;; esac
	[ "$(left)" -gt 0 ] || { echo "# no time left"; return 1; }
	TEST_SECONDS=$(left) BIN=$B/bin tests/run.sh tests/ops-cuda.t $by_cublas "$B"/tests/check-{bf16,chain,device,recompute,sweep} tests/cuda.t
}

# measured FILE LABEL COMMAND...: what the command says last, told and kept in FILE behind the label; or why it says nothing.
measured()
{
	local to=$1 label=$2 status
	shift 2
	if "$@" >"$TMP/line" 2>"$TMP/err" </dev/null; then
		printf '%s\t%s\n' "$label" "$(tail -n 1 "$TMP/line")" | tee -a "$to" | sed 's/^/# /'
	else
		status=$?
		case $status in 124|137) echo "took too long" >>"$TMP/err" ;; esac
		echo "# $label failed ($status): $(tail -n 1 "$TMP/err")"
		failed=1
	fi
}

ours() { limited "$B/bench/$1" "${@:2}"; }

# With the libraries that were there before ours.
peer() { LD_LIBRARY_PATH=$THEIRS limited "$PEER" "tests/bench/peer/$1" "${@:2}"; }

# The line of FILE that has the least number in FIELD.
least() { sort -t "$(printf '\t')" -k "$2,$2g" "$1" | head -n 1; }

# row WHAT FIELD NOTE NOTE: the least of what $TMP/ours and $TMP/peer hold in the field, their ratio, and a field more of each.
row()
{
	{ least "$TMP/ours" "$2" | grep . || echo; least "$TMP/peer" "$2" | grep . || echo; } |
		awk -F '\t' -v OFS='\t' -v what="$1" -v at="$2" -v ours="$3" -v peer="$4" '
			{ time[NR] = $at == "" ? "nan" : $at; said[NR] = $1 ": " $(NR == 1 ? ours : peer) }
			END {
				ratio = time[1] > 0 && time[2] > 0 ? sprintf("%.2f", time[2] / time[1]) : "nan"
				print what, time[1], time[2], ratio, said[1], said[2]
			}'
}

# backbone JOB: sets BACKBONE, its peer, and size without it.
backbone()
{
	size=${1#stylegan2 }
	if [ "$size" = "$1" ]; then export BACKBONE=biggan by=train.py; else export BACKBONE=stylegan2 by=train_stylegan2.py; fi
}

# Ours; the peer in bf16, channels last, as it is and, of BigGAN, compiled: the fastest.
train()
{
	local job jobs size by
	printf '#side ch batch\tours_s\tpeer_s\tratio\tours: GFLOP/s\tpeer\n'
	IFS=, read -ra jobs <<<"$TRAIN"
	for job in "${jobs[@]}"; do
		backbone "$job"
		: >"$TMP/ours" >"$TMP/peer"
		for _ in $(seq "$REPEATS"); do
			measured "$TMP/ours" "$PRECISION" ours train $size 0 "$STEPS" "cuda-$PRECISION"
			AMP=bf16 CHANNELS_LAST=1 measured "$TMP/peer" eager peer $by $size 4 "$STEPS"
		done
		[ $by != train.py ] ||
			COMPILE=1 AMP=bf16 CHANNELS_LAST=1 measured "$TMP/peer" compiled peer $by $size 4 "$STEPS"
		row "$job" 6 9 9
	done
}

# beside WHAT JOBS: ours and the peer, the least of REPEATS.
beside()
{
	local job jobs
	printf '#what\tours_s\tpeer_s\tratio\tours\tpeer\n'
	IFS=, read -ra jobs <<<"$2"
	for job in "${jobs[@]}"; do
		: >"$TMP/ours" >"$TMP/peer"
		for _ in $(seq "$REPEATS"); do
			measured "$TMP/ours" bf16 ours stat cuda-bf16 "$1" $job
			measured "$TMP/peer" torch peer gpu.py "$1" $job
		done
		row "$1 $job" 3 4 4
	done
}

knn() { beside knn "$KNN"; REPEATS=1 beside knn "$KNN_LARGE"; }
kmeans() { beside kmeans "$KMEANS"; }

# Networks alone, then 2400 pictures of 64 pixels from their store to rows.
embed()
{
	local net precision
	printf '#net\tours_s\tpeer_s\tratio\tours: images/s\tpeer\n'
	for net in $NETS; do
		for precision in tf32 bf16; do
			: >"$TMP/ours" >"$TMP/peer"
			measured "$TMP/ours" $precision ours embed $net "$BATCH" cuda-$precision "$STEPS"
			AMP=$precision WAYS=nhwc measured "$TMP/peer" nhwc peer embed.py $net "$BATCH" 1 "$STEPS"
			[ $precision = tf32 ] ||
				AMP=$precision WAYS=compile measured "$TMP/peer" compiled peer embed.py $net "$BATCH" 1 "$STEPS"
			row "$net" 4 5 6
		done
	done
	for _ in $(seq "$PICTURES"); do cat tests/golden/embed/64.ppm; done | ic-pack -q -f --size 64 -o "$TMP/i.mdb" - >/dev/null || return
	for precision in f32 tf32 bf16; do
		limited ic-embed -v -f -d cuda --precision $precision "$TMP/i.mdb" -o "$TMP/f.mdb" 2>&1 | sed "s/^/# $precision: /" ||
			failed=1
	done
}

# tried COMMAND...: says all it says, or that it failed.
tried()
{
	"$@" && return
	echo "# $* failed ($?)"
	failed=1
}

ops()
{
	local precision
	IC_CUBLAS=none tried ours device "cuda-$PRECISION" $OPS
	tried ours device "cuda-$PRECISION" $OPS products
	for precision in tf32 bf16; do
		[ $precision = "$PRECISION" ] && continue
		IC_CUBLAS=none tried ours device cuda-$precision $OPS products
		tried ours device cuda-$precision $OPS products
	done
}

steps()
{
	local job jobs size by
	IFS=, read -ra jobs <<<"$TRAIN"
	for job in "${jobs[@]}"; do
		backbone "$job"
		echo "# $job"
		tried ours train $size 0 "$STEPS" "cuda-$PRECISION" steps "$TFLOPS" "$BANDWIDTH"
	done
}

# Discs of changing colour and place, four kinds.
pictures()
{
	awk -v n="$DRAWN" 'BEGIN { srand(1)
		for (i = 0; i < n; i++) {
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
	local into
	into=$(realpath "$RESULTS") || return
	[ -z "$DATA" ] || DATA=$(realpath "$DATA") || return
	mkdir -p "$TMP/demo" && cd "$TMP/demo" || return
	if [ -n "$DATA" ]; then limited ic-pack -f --size 32 "$DATA" -o images.mdb; else pictures images.mdb; fi &&
		limited ic-embed -f images.mdb -o feats.mdb && limited ic-knn -f -k 50 feats.mdb -o near.mdb &&
		limited ic-train -f images.mdb feats.mdb near.mdb -o run.safetensors $DEMO -v -d cuda --precision "$PRECISION" \
			--log "$into/gpu-demo.jsonl" &&
		limited ic-sample run.safetensors feats.mdb -n 64 -d cuda --precision "$PRECISION" |
			ic-grid -f --columns 8 -o "$into/gpu-demo.png" &&
		limited ic-sample run.safetensors feats.mdb -n "$SAMPLES" -d cuda --precision "$PRECISION" |
			limited ic-embed - | limited ic-fid feats.mdb - &&
		tail -n 1 "$into/gpu-demo.jsonl"
}

# phase NAME: what it says, into its file, too.
phase()
{
	{ about; "$1"; [ $? -eq 0 ] && [ -z "$failed" ]; } 2>&1 | tee -a "$RESULTS/gpu-$1.txt"
}

usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

case $1 in
'') usage ;;
all) set -- $PHASES ;;
esac
for name; do
	case " $PHASES " in *" $name "*) ;; *) [ "$1" = carry ] || usage ;; esac
done
TMP=$(mktemp -d) || lacks "no temporary directory"
export TMP
trap 'rm -rf "$TMP"' EXIT
set -o pipefail
if [ "$1" = carry ]; then
	carry "$2"
	exit
fi
ready
status=0
for name; do
	echo "# $name"
	phase "$name" || status=1
done
exit $status
