// A make-believe card: enough of CUDA's runtime, cuBLAS and cuDNN for onnxruntime's CUDA provider to open sessions, place
// nodes and run whole graphs. Kernels do nothing; what is launched, copied, waited for and allocated is counted. Functions
// that need not do anything are written by build.ts: they return 0, and those that make something make 512 zero bytes.
//
// CARD_COUNTS names a file of at least 8 × COUNTERS bytes, where the counts are at all times (counters.ts reads it).
// CARD_GIB is the card's memory, 80 by default; CARD_CAPABILITY is 10 × the compute capability, 90 by default.
#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

// In the order of counters.ts.
enum Counter { KERNELS, PRODUCTS, CONVOLUTIONS, UP, UP_BYTES, DOWN, DOWN_BYTES, WAITS, USED, PEAK, COUNTERS };

static uint64_t* openCounts() {
  static uint64_t unshared[COUNTERS];
  const char* path = getenv("CARD_COUNTS");
  const int file = path ? open(path, O_RDWR) : -1;
  if (file < 0) return unshared;
  void* shared = mmap(nullptr, sizeof unshared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return shared == MAP_FAILED ? unshared : static_cast<uint64_t*>(shared);
}

static void count(Counter counter, uint64_t amount = 1) {
  static uint64_t* counts = openCounts();
  __atomic_add_fetch(counts + counter, amount, __ATOMIC_RELAXED);
  if (counter == USED && counts[USED] > counts[PEAK]) counts[PEAK] = counts[USED];
}

static int setting(const char* name, int usual) {
  const char* value = getenv(name);
  return value ? atoi(value) : usual;
}

// ---- Memory. Pages are real only once they are written, so a card can be larger than this machine.

struct Blocks {
  std::mutex mutex;
  std::map<char*, size_t> sizes;
  size_t used = 0;
};

static Blocks& blocks() {
  static auto* all = new Blocks;
  return *all;
}

static size_t cardBytes() { return static_cast<size_t>(setting("CARD_GIB", 80)) << 30; }

static cudaError_t allocate(void** pointer, size_t bytes) {
  Blocks& all = blocks();
  std::lock_guard<std::mutex> lock(all.mutex);
  if (all.used + bytes > cardBytes()) return cudaErrorMemoryAllocation;
  const size_t length = bytes ? bytes : 1;
  *pointer = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (*pointer == MAP_FAILED) return cudaErrorMemoryAllocation;
  all.sizes[static_cast<char*>(*pointer)] = length;
  all.used += length;
  count(USED, length);
  return cudaSuccess;
}

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return allocate(pointer, bytes); }
cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t bytes, cudaMemPool_t, cudaStream_t) {
  return allocate(pointer, bytes);
}

cudaError_t cudaFree(void* pointer) {
  Blocks& all = blocks();
  std::lock_guard<std::mutex> lock(all.mutex);
  auto found = all.sizes.find(static_cast<char*>(pointer));
  if (found == all.sizes.end()) return cudaSuccess;
  munmap(pointer, found->second);
  all.used -= found->second;
  count(USED, -found->second);
  all.sizes.erase(found);
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) { return cudaFree(pointer); }

static cudaError_t allocateHost(void** pointer, size_t bytes) {
  *pointer = calloc(1, bytes ? bytes : 1);
  return *pointer ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) { return allocateHost(pointer, bytes); }
cudaError_t cudaMallocHost(void** pointer, size_t bytes) { return allocateHost(pointer, bytes); }
cudaError_t cudaFreeHost(void* pointer) {
  free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* left, size_t* total) {
  *total = cardBytes();
  *left = *total - blocks().used;
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  memset(attributes, 0, sizeof *attributes);
  Blocks& all = blocks();
  std::lock_guard<std::mutex> lock(all.mutex);
  auto after = all.sizes.upper_bound(const_cast<char*>(static_cast<const char*>(pointer)));
  if (after == all.sizes.begin()) return cudaSuccess;
  const auto [start, bytes] = *--after;
  if (static_cast<const char*>(pointer) >= start + bytes) return cudaSuccess;
  attributes->type = cudaMemoryTypeDevice;
  attributes->devicePointer = const_cast<void*>(pointer);
  return cudaSuccess;
}

// ---- Copies. Large ones to the card are not made: nothing reads weights, and their pages would be real.

static const size_t LARGE = 4 << 20;

static cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (kind == cudaMemcpyHostToDevice) count(UP), count(UP_BYTES, bytes);
  if (kind == cudaMemcpyDeviceToHost) count(DOWN), count(DOWN_BYTES, bytes);
  if (bytes <= LARGE || kind == cudaMemcpyDeviceToHost) memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  return copy(to, from, bytes, kind);
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  count(WAITS);
  return copy(to, from, bytes, kind);
}
cudaError_t cudaMemcpyFromSymbol(void* to, const void*, size_t bytes, size_t, cudaMemcpyKind) {
  memset(to, 0, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  if (bytes <= LARGE) memset(to, value, bytes);
  return cudaSuccess;
}

// ---- Waits

static cudaError_t wait() {
  count(WAITS);
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return wait(); }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return wait(); }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return wait(); }

// ---- Launches

static thread_local struct {
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;
} configuration;

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  configuration = {grid, block, shared, stream};
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, cudaStream_t* stream) {
  *grid = configuration.grid;
  *block = configuration.block;
  *shared = configuration.shared;
  *stream = configuration.stream;
  return cudaSuccess;
}

static cudaError_t launch() {
  count(KERNELS);
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, size_t, cudaStream_t) { return launch(); }
cudaError_t cudaLaunchKernel(const void*, dim3, dim3, void**, size_t, cudaStream_t) { return launch(); }
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t*, const void*, void**) { return launch(); }
cudaError_t cudaLaunchCooperativeKernel(const void*, dim3, dim3, void**, size_t, cudaStream_t) { return launch(); }
cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t function, void* data) {
  function(data);
  return cudaSuccess;
}
void** __cudaRegisterFatBinary(void*) { return static_cast<void**>(calloc(1, 512)); }

// ---- What the card is

cudaError_t cudaGetDeviceCount(int* devices) {
  *devices = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* card, int) {
  const int capability = setting("CARD_CAPABILITY", 90);
  memset(card, 0, sizeof *card);
  strcpy(card->name, "make-believe");
  card->major = capability / 10;
  card->minor = capability % 10;
  card->totalGlobalMem = cardBytes();
  card->multiProcessorCount = 132;
  card->warpSize = 32;
  card->sharedMemPerBlock = 48 << 10;
  card->sharedMemPerBlockOptin = capability == 90 ? 227 << 10 : capability == 80 ? 163 << 10 : 99 << 10;
  card->sharedMemPerMultiprocessor = card->sharedMemPerBlockOptin + 1024;
  card->regsPerBlock = card->regsPerMultiprocessor = 65536;
  card->maxThreadsPerBlock = card->maxThreadsDim[0] = card->maxThreadsDim[1] = 1024;
  card->maxThreadsDim[2] = 64;
  card->maxThreadsPerMultiProcessor = 2048;
  card->maxBlocksPerMultiProcessor = 32;
  card->maxGridSize[0] = INT32_MAX;
  card->maxGridSize[1] = card->maxGridSize[2] = 65535;
  card->l2CacheSize = 50 << 20;
  card->unifiedAddressing = card->canMapHostMemory = card->concurrentKernels = card->cooperativeLaunch = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  cudaDeviceProp card;
  cudaGetDeviceProperties(&card, 0);
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = card.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = card.minor; break;
    case cudaDevAttrMultiProcessorCount: *value = card.multiProcessorCount; break;
    case cudaDevAttrWarpSize: *value = card.warpSize; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = static_cast<int>(card.sharedMemPerBlock); break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(card.sharedMemPerBlockOptin); break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(card.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrMaxThreadsPerBlock: *value = card.maxThreadsPerBlock; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = card.maxThreadsPerMultiProcessor; break;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor: *value = card.regsPerBlock; break;
    case cudaDevAttrL2CacheSize: *value = card.l2CacheSize; break;
    default: *value = 1;
  }
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  memset(attributes, 0, sizeof *attributes);
  attributes->maxThreadsPerBlock = 1024;
  attributes->maxDynamicSharedSizeBytes = 227 << 10;
  attributes->binaryVersion = attributes->ptxVersion = setting("CARD_CAPABILITY", 90);
  attributes->numRegs = 64;
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* count, const void*, int, size_t, unsigned) {
  *count = 2;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  *function = nullptr;
  if (result) *result = cudaDriverEntryPointSymbolNotFound;
  return cudaErrorUnknown;
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "make-believe";
}
const char* cudaGetErrorName(cudaError_t error) { return cudaGetErrorString(error); }

// ---- cuBLAS

static int product() {
  count(PRODUCTS);
  return 0;
}
int cublasGemmEx() { return product(); }
int cublasGemmBatchedEx() { return product(); }
int cublasGemmStridedBatchedEx() { return product(); }
int cublasSgemm_v2() { return product(); }
int cublasSgemmBatched() { return product(); }
int cublasSgemmStridedBatched() { return product(); }
int cublasLtMatmul() { return product(); }
int cublasLtMatmulAlgoGetHeuristic(void*, void*, void*, void*, void*, void*, void*, int, void* result, int* found) {
  memset(result, 0, 96);
  *found = 1;
  return 0;
}
const char* cublasGetStatusName(int) { return "make-believe"; }
const char* cublasGetStatusString(int) { return "make-believe"; }

// ---- cuDNN: its graphs are described by attributes (cudnn_graph_v9.h), and every graph has one engine.

size_t cudnnGetVersion() { return 91400; }
const char* cudnnGetErrorString(int) { return "make-believe"; }
int cudnnBackendExecute() {
  count(CONVOLUTIONS);
  return 0;
}
int cudnnBackendCreateDescriptor(int, void** descriptor) {
  *descriptor = calloc(1, 512);
  return 0;
}
int cudnnBackendGetAttribute(void*, int name, int type, int64_t wanted, int64_t* found, void* values) {
  enum { INT64 = 3, DESCRIPTOR = 15, BEHAVIOR_NOTE = 24 };
  enum { HEURISTIC_RESULTS = 202, KNOB_CHOICES = 302 };
  if (type == DESCRIPTOR) {
    if (found) *found = name == HEURISTIC_RESULTS ? 1 : name == KNOB_CHOICES ? 0 : values ? 1 : 0;
    return 0;
  }
  if (values && wanted > 0 && type != BEHAVIOR_NOTE) memset(values, 0, type == INT64 ? 8 : 4);
  if (found) *found = type == BEHAVIOR_NOTE ? 0 : 1;
  return 0;
}

}
