/* backend: the device behind the table: memory, the stream all is queued on, transfers that the
 * host need not wait for, recorded launches, the first failure. */
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/lt.h"

#include <stdio.h>
#include <stdlib.h>

/* Half of the memory that transfers to the device leave from: while it reads one, the other is
 * filled. */
struct half {
	char *p;
	size_t used;
#ifdef __CUDACC__
	cudaEvent_t read;                    /* the device has read all of it */
#endif
};

struct device {
	enum precision precision;
	struct lt *lt;
	char engine[480];
	struct half half[2];
	int now;                             /* the half that is being filled */
	const char *kernel;                  /* the last launched */
	char fault[200];                     /* the first failure; empty: none */
#ifdef __CUDACC__
	cudaStream_t stream;
#endif
};

static struct device *device_of(const struct backend *b)
{
	return (struct device *)b->device;
}

int cuda_precision(const struct backend *b)
{
	return (int)device_of(b)->precision;
}

struct lt *cuda_lt(const struct backend *b)
{
	return device_of(b)->lt;
}

void cuda_failed(struct backend *b, const char *what, const char *why)
{
	struct device *d = device_of(b);

	if (!d->fault[0]) snprintf(d->fault, sizeof d->fault, "%s: %s", what, why);
}

static const char *fault(struct backend *b)
{
	const struct device *d = device_of(b);
	return d->fault[0] ? d->fault : NULL;
}

#ifdef __CUDACC__

enum { HALF = 32 << 20 };

cudaStream_t cuda_stream(struct backend *b)
{
	return device_of(b)->stream;
}

static int note(struct backend *b, const char *what, cudaError_t e)
{
	if (e == cudaSuccess) return 0;
	cuda_failed(b, what, cudaGetErrorString(e));
	return -1;
}

void cuda_after(struct backend *b, const char *kernel)
{
	device_of(b)->kernel = kernel;
	note(b, kernel, cudaGetLastError());
}

static void *take(struct backend *b, size_t bytes)
{
	void *p = NULL;

	(void)b;
	if (cudaMalloc(&p, bytes ? bytes : 1) == cudaSuccess) return p;
	cudaGetLastError();                  /* no memory is for the caller to report */
	return NULL;
}

static void give(struct backend *b, void *p)
{
	note(b, "cudaFree", cudaFree(p));
}

static void send(struct backend *b, void *to, const void *from, size_t bytes)
{
	note(b, "copy to the device",
	     cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, cuda_stream(b)));
}

static void is_full(struct backend *b, struct half *h)
{
	note(b, "cudaEventRecord", cudaEventRecord(h->read, cuda_stream(b)));
}

static void until_read(struct backend *b, struct half *h)
{
	note(b, "cudaEventSynchronize", cudaEventSynchronize(h->read));
}

/* What fails on the device is told by the next call that waits for it. */
static void get(struct backend *b, void *to, const void *from, size_t bytes)
{
	char what[96];

	snprintf(what, sizeof what, "the device, at %s or before",
		 device_of(b)->kernel ? device_of(b)->kernel : "its start");
	if (bytes)
		note(b, what,
		     cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, cuda_stream(b)));
	note(b, what, cudaStreamSynchronize(cuda_stream(b)));
}

static void copy(struct backend *b, void *to, const void *from, size_t bytes)
{
	note(b, "copy on the device",
	     cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cuda_stream(b)));
}

static void record(struct backend *b)
{
	note(b, "cudaStreamBeginCapture",
	     cudaStreamBeginCapture(cuda_stream(b), cudaStreamCaptureModeThreadLocal));
}

static void *recorded(struct backend *b)
{
	cudaGraph_t graph = NULL;
	cudaGraphExec_t whole = NULL;

	if (note(b, "cudaStreamEndCapture", cudaStreamEndCapture(cuda_stream(b), &graph)))
		return NULL;
	note(b, "cudaGraphInstantiate", cudaGraphInstantiateWithFlags(&whole, graph, 0));
	cudaGraphDestroy(graph);
	return whole;
}

static void repeat(struct backend *b, void *whole)
{
	note(b, "cudaGraphLaunch", cudaGraphLaunch((cudaGraphExec_t)whole, cuda_stream(b)));
}

/* A launch may still be running. */
static void forget(struct backend *b, void *whole)
{
	note(b, "cudaStreamSynchronize", cudaStreamSynchronize(cuda_stream(b)));
	note(b, "cudaGraphExecDestroy", cudaGraphExecDestroy((cudaGraphExec_t)whole));
}

/* With the CUDA that the driver is of and that the library was built by: one of the same first
 * number or a later one runs it. */
static int no_gpu(struct backend *b, cudaError_t e)
{
	int has = 0;
	char driver[40] = "no driver was found", why[160];

	if (e == cudaSuccess) return 0;
	cudaDriverGetVersion(&has);
	if (has)
		snprintf(driver, sizeof driver, "the driver has CUDA %d.%d", has / 1000,
			 has % 1000 / 10);
	snprintf(why, sizeof why, "%s (%s, expected one of CUDA %d or later)",
		 cudaGetErrorString(e), driver, CUDART_VERSION / 1000);
	cuda_failed(b, "no GPU", why);
	return -1;
}

static __global__ void any_kernel(void) { }

/* Older GPUs lack what kernels are made of: found now, before somebody relies on this one. */
static int no_code(struct backend *b)
{
	struct cudaFuncAttributes of;
	cudaError_t e = cudaFuncGetAttributes(&of, any_kernel);
	int major = 0, minor = 0;
	char why[160];

	if (e == cudaSuccess) return 0;
	cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
	cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
	snprintf(why, sizeof why, "%s (its compute capability is %d.%d; they need 8.0 or later)",
		 cudaGetErrorString(e), major, minor);
	cuda_failed(b, "a GPU that runs no kernels", why);
	return -1;
}

static int start(struct backend *b)
{
	struct device *d = device_of(b);

	if (no_gpu(b, cudaSetDevice(0)) || no_gpu(b, cudaStreamCreate(&d->stream))) return -1;
	if (no_code(b)) return -1;
	for (int i = 0; i < 2; i++)
		if (note(b, "cudaHostAlloc", cudaHostAlloc((void **)&d->half[i].p, HALF, 0)) ||
		    note(b, "cudaEventCreate",
			 cudaEventCreateWithFlags(&d->half[i].read, cudaEventDisableTiming)))
			return -1;
	return 0;
}

static void stop(struct backend *b)
{
	struct device *d = device_of(b);

	if (d->stream) cudaStreamSynchronize(d->stream);
	for (int i = 0; i < 2; i++) {
		if (d->half[i].read) cudaEventDestroy(d->half[i].read);
		cudaFreeHost(d->half[i].p);
	}
	if (d->stream) cudaStreamDestroy(d->stream);
}

#else

enum { HALF = 64 << 10 };                    /* small, so that tests fill it */

static void *take(struct backend *b, size_t bytes) { (void)b; return host_take(bytes); }
static void give(struct backend *b, void *p) { (void)b; host_give(p); }
static void is_full(struct backend *b, struct half *h) { (void)b, (void)h; }
static void until_read(struct backend *b, struct half *h) { (void)b, (void)h, host_settle(); }
static void record(struct backend *b) { (void)b; host_record(); }
static void *recorded(struct backend *b) { (void)b; return host_recorded(); }
static void repeat(struct backend *b, void *whole) { (void)b; host_repeat(whole); }
static void forget(struct backend *b, void *whole) { (void)b; host_forget(whole); }
void cuda_after(struct backend *b, const char *kernel) { (void)b, (void)kernel; }

static void send(struct backend *b, void *to, const void *from, size_t bytes)
{
	(void)b;
	host_send(to, from, bytes);
}

static void copy(struct backend *b, void *to, const void *from, size_t bytes)
{
	(void)b;
	host_copy(to, from, bytes);
}

static void get(struct backend *b, void *to, const void *from, size_t bytes)
{
	(void)b;
	host_fetch(to, from, bytes);
}

static int start(struct backend *b)
{
	struct device *d = device_of(b);

	for (int i = 0; i < 2; i++)
		if (!(d->half[i].p = (char *)malloc(HALF))) return -1;
	return 0;
}

static void stop(struct backend *b)
{
	host_settle();
	for (int i = 0; i < 2; i++) free(device_of(b)->half[i].p);
}

#endif

/* Through the half that is being filled; a full one is left to the device. */
static void put(struct backend *b, void *to, const void *from, size_t bytes)
{
	struct device *d = device_of(b);
	size_t n;

	for (size_t at = 0; at < bytes; at += n) {
		struct half *h = &d->half[d->now];
		if (h->used >= HALF) {
			is_full(b, h);
			d->now ^= 1;
			h = &d->half[d->now];
			until_read(b, h);
			h->used = 0;
		}
		n = bytes - at < HALF - h->used ? bytes - at : HALF - h->used;
		memcpy(h->p + h->used, (const char *)from + at, n);
		send(b, (char *)to + at, h->p + h->used, n);
		h->used += (n + 255) / 256 * 256;
	}
}

static void close_device(struct backend *b)
{
	stop(b);
	cuda_lt_close(cuda_lt(b));
	free(b->device);
}

/* What the programs look up in the library: fills the table, or says why not in b->fault. */
#ifdef __cplusplus
extern "C"
#endif
int ic_cuda_open(struct backend *b, int precision)
{
	struct device *d = (struct device *)calloc(1, sizeof *d);

	if (!(b->device = d)) return -1;
	d->precision = (enum precision)precision;
	b->bf16 = d->precision == PRECISION_BF16;
	b->fault = fault;
	b->close = close_device;
	if (start(b)) return -1;
	d->lt = cuda_lt_open(b, d->engine, sizeof d->engine);
	if (fault(b)) return -1;
	b->engine = d->engine;
	b->take = take;
	b->give = give;
	b->put = put;
	b->get = get;
	b->copy = copy;
	b->record = record;
	b->recorded = recorded;
	b->repeat = repeat;
	b->forget = forget;
	cuda_chain_fill(b);
	cuda_move_fill(b);
	cuda_matmul_fill(b);
	cuda_attention_fill(b);
	cuda_conv_fill(b);
	cuda_adam_fill(b);
	cuda_power_fill(b);
	cuda_sift_fill(b);
	return 0;
}
