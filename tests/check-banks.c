/* check-banks: what the threads of a warp read and write of a product's tiles in shared memory
 * never meets in a bank: counted, place by place, for each kernel. */
#include "kernels/cuda/fragment.h"
#include "tests/tap.h"

struct host_place host_at;                   /* the thread that is asked */

enum { BANKS = 32, LINES = 8 };              /* of 4 bytes; a transfer of 16 bytes takes a line */

/* Transfers that wait for another: 8 threads at a time move 16 bytes each, from these chunks. */
static int conflicts(const int *place, int n)
{
	int sum = 0;

	for (int from = 0; from < n; from += 8)
		for (int i = from; i < from + 8; i++)
			for (int j = from; j < i; j++)
				sum += place[i] != place[j] && place[i] % LINES == place[j] % LINES;
	return sum;
}

static void check_copies(int along, int bf16)
{
	static int used[TILE_CHUNKS];
	int place[WARP], met = 0, once = 1;

	memset(used, 0, sizeof used);
	for (int first = 0; first < TILE_CHUNKS; first += WARP) {
		for (int i = 0; i < WARP; i++) {
			place[i] = copy_place(along, bf16, first + i);
			once &= place[i] >= 0 && place[i] < TILE_CHUNKS && !used[place[i]]++;
		}
		met += conflicts(place, WARP);
	}
	for (int id = TILE_THREADS; id < TILE_CHUNKS; id++)
		once &= copy_place(along, bf16, id) ==
			copy_place(along, bf16, id - TILE_THREADS) + copy_stride(along, bf16);
	ok(once, "copies fill the tile, each chunk once: along %d, bf16 %d", along, bf16);
	ok(!met, "and meet in %d banks", met);
}

/* The chunk of that place, as copies number them: where the operand's x and k are to be found. */
static int holds(int along, int bf16, int place, int x, int k)
{
	int each = bf16 ? 8 : 4;

	for (int id = 0; id < TILE_CHUNKS; id++)
		if (copy_place(along, bf16, id) == place)
			return along ? copy_other(1, bf16, id) == x &&
				       copy_k(1, bf16, id) / each == k / each
				     : copy_k(0, bf16, id) == k &&
				       copy_other(0, bf16, id) / each == x / each;
	return 0;
}

/* Rows of matrices along k, in either precision, or of transposes across it, of bf16. */
static void check_matrices(int along, int of_a)
{
	int place[WARP], met = 0, right = 1;

	for (int x = 0; x < TILE; x += 16)
		for (int c = 0; c < DEPTH_CHUNKS; c += 2) {
			for (int lane = 0; lane < WARP; lane++) {
				int j = lane / 8, row = lane % 8;
				int mx = x + matrix_x(of_a, j), mc = c + matrix_c(of_a, j);
				place[lane] = matrix_place(along, of_a, x, c, lane);
				right &= along ? holds(1, 1, place[lane], mx + row, 8 * mc)
					       : holds(0, 1, place[lane], mx, 8 * mc + row);
			}
			met += conflicts(place, WARP);
		}
	ok(right, "matrices are read where copies put them: along %d, of %s", along,
	   of_a ? "a" : "b");
	ok(!met, "and meet in %d banks", met);
}

/* Words of tf32 across k. */
static void check_words(int of_a)
{
	int met = 0, right = 1;

	for (int x = 0; x < TILE; x += 16)
		for (int c = 0; c < DEPTH_CHUNKS; c += 2)
			for (int j = 0; j < 4; j++) {
				int used[BANKS] = { 0 };
				for (int lane = 0; lane < WARP; lane++) {
					int w = matrix_word(of_a, x, c, j, lane);
					int k = 4 * (c + matrix_c(of_a, j)) + lane % 4;
					int at = x + matrix_x(of_a, j) + lane / 4;
					met += used[w % BANKS]++;
					right &= w % 4 == at % 4 && holds(0, 0, w / 4, at, k);
				}
			}
	ok(right, "words are read where copies put them: of %s", of_a ? "a" : "b");
	ok(!met, "and meet in %d banks", met);
}

/* Two sums as one write, of 16 threads at a time. */
static void check_sums(void)
{
	static int used[TILE][TILE];
	int row = sizeof ((struct half *)0)->row[0] / sizeof(float), met = 0, once = 1;

	for (int first = 0; first < TILE_THREADS; first += 16)
		for (int i = 0; i < ROWS; i++)
			for (int j = 0; j < COLUMNS; j += 2) {
				int bank[BANKS] = { 0 };
				for (host_at.thread = first; THREAD < first + 16; THREAD++) {
					int m = fragment_row(i), n = fragment_column(j);
					int at = m % HALF * row + n;
					met += bank[at % BANKS]++ + bank[(at + 1) % BANKS]++;
					once &= !used[m][n]++;
					once &= !used[m][n + 1]++;
					once &= fragment_column(j + 1) == n + 1;
				}
			}
	ok(once, "threads have each sum of the tile, once");
	ok(!met, "and write them in %d banks that others do", met);
}

int main(void)
{
	for (int along = 0; along < 2; along++)
		for (int bf16 = 0; bf16 < 2; bf16++) check_copies(along, bf16);
	for (int along = 0; along < 2; along++)
		for (int of_a = 0; of_a < 2; of_a++) check_matrices(along, of_a);
	for (int of_a = 0; of_a < 2; of_a++) check_words(of_a);
	check_sums();
	return done_testing();
}
