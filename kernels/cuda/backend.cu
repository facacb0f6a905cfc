/* backend: the device behind the table: memory, the stream all is queued on, the first failure. */
#include "kernels/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>

struct device {
	enum precision precision;
	char fault[160];                     /* the first failure; empty: none */
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

static const char *fault(struct backend *b)
{
	const struct device *d = device_of(b);
	return d->fault[0] ? d->fault : NULL;
}

#ifdef __CUDACC__

cudaStream_t cuda_stream(struct backend *b)
{
	return device_of(b)->stream;
}

static int note(struct backend *b, const char *what, cudaError_t e)
{
	struct device *d = device_of(b);

	if (e == cudaSuccess) return 0;
	if (!d->fault[0])
		snprintf(d->fault, sizeof d->fault, "%s: %s", what, cudaGetErrorString(e));
	return -1;
}

void cuda_after(struct backend *b, const char *kernel)
{
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

static void put(struct backend *b, void *to, const void *from, size_t bytes)
{
	note(b, "copy to the device",
	     cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, cuda_stream(b)));
}

static void get(struct backend *b, void *to, const void *from, size_t bytes)
{
	note(b, "copy from the device",
	     cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, cuda_stream(b)));
	note(b, "the device", cudaStreamSynchronize(cuda_stream(b)));
}

static void copy(struct backend *b, void *to, const void *from, size_t bytes)
{
	note(b, "copy on the device",
	     cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cuda_stream(b)));
}

static int start(struct backend *b)
{
	return note(b, "no GPU", cudaSetDevice(0)) ||
	       note(b, "no GPU", cudaStreamCreate(&device_of(b)->stream));
}

static void stop(struct backend *b)
{
	if (device_of(b)->stream) cudaStreamDestroy(device_of(b)->stream);
}

#else

void cuda_after(struct backend *b, const char *kernel) { (void)b, (void)kernel; }
static void *take(struct backend *b, size_t bytes) { (void)b; return host_take(bytes); }
static void give(struct backend *b, void *p) { (void)b; host_give(p); }
static int start(struct backend *b) { (void)b; return 0; }
static void stop(struct backend *b) { (void)b; }

static void copy(struct backend *b, void *to, const void *from, size_t bytes)
{
	(void)b;
	host_open();
	memmove(to, from, bytes);
	host_shut();
}

static void put(struct backend *b, void *to, const void *from, size_t bytes)
{
	copy(b, to, from, bytes);
}

static void get(struct backend *b, void *to, const void *from, size_t bytes)
{
	copy(b, to, from, bytes);
}

#endif

static void close_device(struct backend *b)
{
	stop(b);
	free(b->device);
}

/* What the programs look up in the library: fills the table, or says why not in b->fault. */
#ifdef __cplusplus
extern "C"
#endif
int ic_cuda_open(struct backend *b, int precision)
{
	b->device = calloc(1, sizeof(struct device));
	if (!b->device) return -1;
	device_of(b)->precision = (enum precision)precision;
	b->fault = fault;
	b->close = close_device;
	if (start(b)) return -1;
	b->take = take;
	b->give = give;
	b->put = put;
	b->get = get;
	b->copy = copy;
	cuda_chain_fill(b);
	cuda_move_fill(b);
	cuda_gemm_fill(b);
	cuda_conv_fill(b);
	cuda_adam_fill(b);
	return 0;
}
