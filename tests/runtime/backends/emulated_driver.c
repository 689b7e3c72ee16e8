/* The CUDA driver's calls that an engine takes, on plain memory: device memory is host memory,
 * streams run at once, a captured graph calls back. Compiled by tests/runtime/backends. */
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int devices = 1, capturing, fail_capture, allocated, entered, launches, waits;
static size_t on_device;
static float now_ms;
static void (*on_launch)(void);

void emulate(int count, int fail, void (*launched)(void)) {
  devices = count; fail_capture = fail; on_launch = launched;
  capturing = allocated = entered = launches = waits = 0;
}
int emulated(int what) {
  int values[] = {capturing, allocated, entered, launches, waits};
  return values[what];
}
int cuInit(unsigned flags) { return flags ? 1 : (devices ? 0 : 100); }
int cuDevicePrimaryCtxRetain(void** context, int device) { *context = (void*)0x10; return device; }
int cuCtxSetCurrent(void* context) { entered++; return context != (void*)0x10; }
static int make(void** memory, size_t size) { *memory = malloc(size); allocated++; return !*memory; }
int cuMemAlloc_v2(void** memory, size_t size) {
  if (size > ((size_t)1 << 40)) return 2;
  int failed = make(memory, size);
  on_device += malloc_usable_size(*memory);
  return failed;
}
static int give_back(void* memory) { free(memory); allocated--; return 0; }
int cuMemFree_v2(void* memory) {
  on_device -= malloc_usable_size(memory);
  return give_back(memory);
}
int cuMemGetInfo_v2(size_t* left, size_t* total) {
  *total = (size_t)1 << 32;
  *left = *total - on_device;
  return 0;
}
int cuMemHostAlloc(void** memory, size_t size, unsigned flags) { return flags ? 1 : make(memory, size); }
int cuMemFreeHost(void* memory) { return give_back(memory); }
static int copy(void* to, const void* from, size_t size, void* stream) {
  if (stream != (void*)0x20 || capturing) return 1;
  memcpy(to, from, size);
  return 0;
}
int cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t n, void* s) { return copy(to, from, n, s); }
int cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t n, void* s) { return copy(to, from, n, s); }
int cuStreamCreate(void** stream, unsigned flags) { *stream = (void*)0x20; return flags != 1; }
int cuStreamSynchronize(void* stream) { waits++; return stream != (void*)0x20; }
int cuStreamBeginCapture_v2(void* stream, int mode) {
  capturing = 1;
  return stream != (void*)0x20 || mode != 1;
}
int cuStreamEndCapture(void* stream, void** graph) {
  capturing = 0;
  *graph = (void*)0x30;
  return fail_capture ? 901 : stream != (void*)0x20;
}
int cuGraphInstantiateWithFlags(void** ready, void* graph, unsigned long long flags) {
  *ready = (void*)0x40;
  return graph != (void*)0x30 || flags;
}
int cuGraphLaunch(void* ready, void* stream) {
  if (ready != (void*)0x40 || stream != (void*)0x20) return 1;
  launches++;
  on_launch();
  return 0;
}
int cuEventCreate(void** event, unsigned flags) { *event = calloc(1, sizeof(float)); return flags; }
int cuEventRecord(void* event, void* stream) {
  *(float*)event = now_ms += 0.25f;
  return stream != (void*)0x20;
}
int cuEventElapsedTime(float* ms, void* start, void* end) {
  *ms = *(float*)end - *(float*)start;
  return 0;
}
int cuGetErrorName(int status, const char** name) {
  *name = status == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : status == 100 ? "CUDA_ERROR_NO_DEVICE"
        : status == 901 ? "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED" : NULL;
  return *name == NULL;
}
