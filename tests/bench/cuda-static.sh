#!/bin/bash
# cuda-static.sh: what can be said of each CUDA kernel without a GPU, as TSV: threads of a block, registers of a thread, bytes spilled,
# bytes of shared memory, how many blocks a processor of that GPU then has at once; and of those that multiply by tensor cores, how
# many of the instructions of their innermost loop do (mma of loop; the others must be issued beside them).  GPUS: compute capabilities.
# NVDISASM is of the CUDA toolkit; without it there is no mma and no loop.
cd "$(dirname "$0")/../.." || exit
NVCC=${NVCC:-nvcc}
NVDISASM=${NVDISASM:-nvdisasm}
GPUS=${GPUS:-80 90a}
command -v "$NVCC" >/dev/null || { echo "# no nvcc: nothing to compile"; exit 0; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# kernel, threads: of PTX.
threads()
{
	awk -v OFS='\t' '/\.entry/ { sub(/.*\.entry /, ""); sub(/[(].*/, ""); name = $0 }
		/^\.maxntid/ { print "threads", name, $2 + 0 }' "$1"
}

# kernel, instructions of the shortest loop around all that multiply by tensor cores, and how many of them do.
loops()
{
	command -v "$NVDISASM" >/dev/null || return 0
	"$NVDISASM" -c "$1" | awk -v OFS='\t' '
		function end(    i, least) {
			for (i in back)
				if (back[i] <= first && i + 0 >= last && (!least || i - back[i] + 1 < least))
					least = i - back[i] + 1
			if (mma) print "loop", name, least, mma
		}
		/^\.text\./ { end(); name = substr($1, 7, length($1) - 7); n = mma = 0; delete label; delete back; next }
		/^\.L_x_[0-9]+:/ { label[substr($1, 1, length($1) - 1)] = n + 1; next }
		/^ +\/\*[0-9a-f]+\*\/ / {
			n++
			if (/HG?MMA/) { if (!mma++) first = n; last = n }
			if (/ BRA/ && match($0, /\.L_x_[0-9]+/) && (substr($0, RSTART, RLENGTH) in label))
				back[n] = label[substr($0, RSTART, RLENGTH)]
		}
		END { end() }'
}

# Of a processor: 65536 registers, given to a warp 256 at a time; 2048 threads; shared memory by capability, 1 KiB of it taken per block.
table()
{
	awk -v gpu="$1" -v OFS='\t' '
		function least(a, b) { return a < b ? a : b }
		BEGIN { shared = gpu ~ /^90/ ? 233472 : gpu == 80 ? 167936 : 102400 }
		$1 == "threads" { threads[$2] = $3 }
		$1 == "loop" { loop[$2] = $3; mma[$2] = $4 }
		/Compiling entry function/ { split($0, part, "\047"); name = part[2] }
		/spill stores/ { spilled = $(NF - 7) + $(NF - 3) }
		/Used [0-9]+ registers/ {
			match($0, /Used [0-9]+/); regs = substr($0, RSTART + 5, RLENGTH - 5)
			smem = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
			a_warp = int((regs * 32 + 255) / 256) * 256
			warps = threads[name] / 32
			blocks = least(least(int(65536 / a_warp / warps), int(64 / warps)), int(shared / (smem + 1024)))
			print gpu, name, threads[name], regs, spilled, smem, blocks, (name in mma ? mma[name] : "-"), (name in loop ? loop[name] : "-")
		}' | c++filt | sed 's/([^)]*)//' | sort
}

printf '#gpu\tkernel\tthreads\tregisters\tspilled\tshared\tblocks\tmma\tloop\n'
for gpu in $GPUS; do
	for f in kernels/cuda/*.cu; do
		"$NVCC" -O3 -I. -arch "compute_$gpu" -ptx -o "$tmp/x.ptx" "$f" || exit
		threads "$tmp/x.ptx"
		"$NVCC" -arch "sm_$gpu" -Xptxas -v -cubin -o "$tmp/x.cubin" "$tmp/x.ptx" >"$tmp/said" 2>&1 || { cat "$tmp/said" >&2; exit 1; }
		loops "$tmp/x.cubin"
		cat "$tmp/said"
	done | table "$gpu" || exit
done
