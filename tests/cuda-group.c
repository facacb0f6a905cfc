/* cuda-group: products by four warps at once on the emulated device (kernels/cuda/group.h), which
 * reads operands as the PTX ISA has them.  Blocks are of four warps.  Sums are NaN until they are
 * waited for; operands must have been shown, and be the same when it is over as when it began. */
#include "kernels/cuda/group.h"
#include "tests/cuda-host.h"
#include "tests/cuda-races.h"

#include <stdlib.h>

enum { LANES = 4 * WARP, UNDER_WAY = 16, BEFORE = 64 << 10 };

struct operand { uint64_t of; int along; };
struct numbers { float a[GROUP_ROWS][GROUP_DEPTH], b[GROUP_COLUMNS][GROUP_DEPTH]; };

/* A product of all lanes: the first that begins it reads the operands, the first that waited for it
 * once more. */
static struct product {
	struct operand a, b;
	int columns;
	struct numbers numbers;
	bool over;
} product[UNDER_WAY];

/* What a lane began and has not waited for: products from `first` on, counted in the block. */
static struct lane {
	struct begun { float *d, sum[GROUP_SUMS]; int sums, group; } begun[UNDER_WAY];
	int first, next, groups;
	bool ready, unshown;                 /* unshown: it wrote, and did not say */
} lane[LANES];
static int products;                         /* that a lane of the block began */
static const char *window;                   /* where shared memory begins */
static uint64_t over;                        /* a place to tell each other at */

/* IC_EMULATED: its compute capability, times ten. */
bool host_grouped(void)
{
	static int of;

	if (!of) of = getenv("IC_EMULATED") ? atoi(getenv("IC_EMULATED")) : 90;
	return of == 90;
}

/* What all kernels share is longer than what a block can have: its own begins somewhere before what
 * is first asked for. */
unsigned host_shared_at(const void *p)
{
	if (!window) window = (const char *)((uintptr_t)p / 1024 * 1024 - BEFORE);
	return (unsigned)((const char *)p - window);
}

void host_group_block(void)
{
	for (int i = 0; i < LANES; i++)
		lane[i].first = lane[i].next = lane[i].groups = lane[i].ready = lane[i].unshown = 0;
	products = 0;
	window = NULL;
}

void host_group_done(void)
{
	if (THREAD < LANES && lane[THREAD].first < lane[THREAD].next)
		host_broken("a product that nobody waited for");
}

void host_group_wrote(void)
{
	if (THREAD < LANES) lane[THREAD].unshown = true;
}

void host_group_show(void) { lane[THREAD].unshown = false; }
void host_group_begin(void) { lane[THREAD].ready = true; }

static float element(struct operand o, int x, int k)
{
	unsigned at = (unsigned)(o.of & 0x3fff) << 4, far = (unsigned)(o.of >> 16 & 0x3fff) << 4;
	unsigned next = (unsigned)(o.of >> 32 & 0x3fff) << 4;

	if (o.along) at += (unsigned)(x / 8) * next + (unsigned)(x % 8) * 64 + (unsigned)k * 2;
	else at += (unsigned)(x / 64) * far + (unsigned)(x % 64) * 2 + (unsigned)(k / 8) * next +
		   (unsigned)(k % 8) * 128;
	at ^= (at >> 7 & (o.of >> 62 == EXCHANGE_128 ? 7 : 3)) << 4;
	race_read(window + at, 2);
	return from_bf16(*(const uint16_t *)(window + at));
}

static void read_numbers(const struct product *p, struct numbers *to)
{
	for (int k = 0; k < GROUP_DEPTH; k++) {
		for (int x = 0; x < GROUP_ROWS; x++) to->a[x][k] = element(p->a, x, k);
		for (int x = 0; x < p->columns; x++) to->b[x][k] = element(p->b, x, k);
	}
}

static void check(struct operand o)
{
	if (o.of >> 62 != (o.along ? EXCHANGE_64 : EXCHANGE_128))
		host_broken("an operand whose chunks are exchanged otherwise");
	if (o.of >> 49 & 7) host_broken("an operand with an offset");
}

/* Product n of the block. */
static struct product *begin(int n, int columns, struct operand a, struct operand b)
{
	struct product *p = &product[n % UNDER_WAY];

	if (n < products) {
		if (p->a.of != a.of || p->b.of != b.of || p->columns != columns)
			host_broken("a group parts at a product");
		return p;
	}
	for (int i = 0; i < LANES; i++)
		if (lane[i].unshown) host_broken("a product of what was not shown");
	check(a);
	check(b);
	*p = (struct product){ .a = a, .b = b, .columns = columns };
	read_numbers(p, &p->numbers);
	products++;
	return p;
}

/* Where a lane's sums stand when all it began is done. */
static const float *latest(const struct lane *l, const float *d)
{
	for (int n = l->next - 1; n >= l->first; n--)
		if (l->begun[n % UNDER_WAY].d == d) return l->begun[n % UNDER_WAY].sum;
	return d;
}

void host_group_multiply(int half, float *d, uint64_t a, int a_along, uint64_t b, int b_along)
{
	struct lane *l = &lane[THREAD];
	struct begun *to = &l->begun[l->next % UNDER_WAY];
	int row = THREAD / WARP * 16 + THREAD % WARP / 4, column = THREAD % WARP % 4 * 2;

	if (!l->ready) host_broken("a product without a beginning");
	if (l->next - l->first == UNDER_WAY) host_broken("too many products under way");
	int columns = half ? GROUP_COLUMNS / 2 : GROUP_COLUMNS;
	const struct numbers *of = &begin(l->next, columns, (struct operand){ a, a_along },
					  (struct operand){ b, b_along })->numbers;
	to->sums = columns / 2;
	memcpy(to->sum, latest(l, d), (size_t)to->sums * sizeof *d);
	for (int i = 0; i < to->sums; i++) {
		const float *x = of->a[row + i / 2 % 2 * 8], *y = of->b[i / 4 * 8 + column + i % 2];
		for (int k = 0; k < GROUP_DEPTH; k++) to->sum[i] += x[k] * y[k];
	}
	to->d = d;
	to->group = l->groups;
	l->next++;
	memset(d, 0xff, (size_t)to->sums * sizeof *d);
}

void host_group_commit(void)
{
	lane[THREAD].groups++;
	lane[THREAD].ready = false;
	host_gather();                       /* nothing is done that not all have begun */
}

static void end(struct product *p)
{
	struct numbers now = { { { 0 } }, { { 0 } } };

	if (p->over) return;
	p->over = true;
	read_numbers(p, &now);
	if (memcmp(&now, &p->numbers, sizeof now))
		host_broken("an operand that changed under a product");
}

void host_group_wait(int left)
{
	struct lane *l = &lane[THREAD];

	while (l->first < l->next) {
		struct begun *b = &l->begun[l->first % UNDER_WAY];
		if (b->group >= l->groups - left) break;
		end(&product[l->first++ % UNDER_WAY]);
		if (latest(l, b->d) == b->d)
			memcpy(b->d, b->sum, (size_t)b->sums * sizeof *b->d);
	}
	race_tell(&over);
	host_gather();
	race_hear(&over);
}
