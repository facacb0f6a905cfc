#!/bin/bash
# cuda-static.sh: what nvcc says of each CUDA kernel, as TSV: registers of a thread, bytes spilled, bytes of shared memory, and how
# many blocks of 256 threads a processor of that GPU then has at once.  GPUS: compute capabilities.  No GPU is needed.
cd "$(dirname "$0")/../.." || exit
NVCC=${NVCC:-nvcc}
GPUS=${GPUS:-80 90}
command -v "$NVCC" >/dev/null || { echo "# no nvcc: nothing to compile"; exit 0; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# Of a processor: 65536 registers, given to a warp 256 at a time; 2048 threads; shared memory by capability, 1 KiB of it taken per block.
table()
{
	awk -v gpu="$1" -v OFS='\t' '
		function least(a, b) { return a < b ? a : b }
		BEGIN { shared = gpu == 90 ? 233472 : gpu == 80 ? 167936 : 102400 }
		/Compiling entry function/ { split($0, part, "\047"); name = part[2] }
		/spill stores/ { spilled = $(NF - 7) + $(NF - 3) }
		/Used [0-9]+ registers/ {
			match($0, /Used [0-9]+/); regs = substr($0, RSTART + 5, RLENGTH - 5)
			smem = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
			a_warp = int((regs * 32 + 255) / 256) * 256
			blocks = least(least(int(65536 / a_warp / 8), 8), int(shared / (smem + 1024)))
			print gpu, name, regs, spilled, smem, blocks
		}' | c++filt | sed 's/([^)]*)//' | sort
}

printf '#gpu\tkernel\tregisters\tspilled\tshared\tblocks\n'
for gpu in $GPUS; do
	for f in kernels/cuda/*.cu; do
		"$NVCC" -O3 -I. -gencode "arch=compute_$gpu,code=sm_$gpu" -Xptxas -v -c -o "$tmp/x.o" "$f" 2>&1 || exit
	done | table "$gpu" || exit
done
