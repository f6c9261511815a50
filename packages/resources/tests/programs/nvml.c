/* A driver's library without a driver: what NVML's functions answer is set by `fake_set`.
   With OLD_DRIVER the functions that drivers got later are missing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, LOST = 15 };

typedef struct { int index; int part; } Device;
typedef unsigned long long u64;

static Device gpus[64], parts[64][2];
static long gpu_count = 2, init_error, initialized, inits, lost = -1, hang, mig, unsupported = -1;
static long energy = 5000, errors, mixed, others_pid, hides_pids;

void fake_set(const char *name, long value) {
    struct { const char *name; long *value; } all[] = {
        {"gpus", &gpu_count}, {"init_error", &init_error}, {"lost", &lost}, {"hang", &hang},
        {"mig", &mig}, {"unsupported", &unsupported}, {"energy", &energy}, {"errors", &errors},
        {"mixed", &mixed}, {"others_pid", &others_pid}, {"hides_pids", &hides_pids},
        {"inits", &inits}, {"initialized", &initialized},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, name)) *all[i].value = value;
}

long fake_inits(void) { return inits; }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    inits++;
    if (!init_error) initialized = 1;
    return (int)init_error;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int error) { (void)error; return "an error"; }

static int checked(Device *device) {
    if (!initialized) return UNINITIALIZED;
    return device->index == lost ? LOST : OK;
}
#define CHECK(device) do { int error = checked(device); if (error) return error; } while (0)
#define SENSOR(device) do { CHECK(device); \
    if (device->index == unsupported || device->part >= 0) return NOT_SUPPORTED; } while (0)

int nvmlDeviceGetCount_v2(unsigned *count) {
    if (!initialized) return UNINITIALIZED;
    *count = (unsigned)gpu_count;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device) {
    if (!initialized) return UNINITIALIZED;
    if (index == lost) return LOST;
    gpus[index].index = (int)index;
    gpus[index].part = -1;
    *device = &gpus[index];
    return OK;
}
int nvmlDeviceGetUUID(Device *device, char *text, unsigned size) {
    CHECK(device);
    if (device->part >= 0) snprintf(text, size, "MIG-%d-%d", device->index, device->part);
    else snprintf(text, size, "GPU-%04d", device->index);
    return OK;
}
int nvmlDeviceGetName(Device *device, char *text, unsigned size) {
    CHECK(device);
    snprintf(text, size, mixed && device->index ? "Small GPU" : "Large GPU");
    return OK;
}
int nvmlDeviceGetUtilizationRates(Device *device, unsigned *rates) {
    SENSOR(device);
    if (hang) sleep(10);
    rates[0] = 40 + (unsigned)device->index;
    rates[1] = 10;
    return OK;
}
/* total, free, used: the driver's own part is in "used" of the first version only. */
int nvmlDeviceGetMemoryInfo(Device *device, u64 *memory) {
    CHECK(device);
    memory[0] = device->part >= 0 ? 1000 : 8000;
    memory[2] = device->part >= 0 ? 250 + 50 * device->part : 2100;
    memory[1] = memory[0] - memory[2];
    return OK;
}
int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *degrees) {
    (void)sensor;
    SENSOR(device);
    *degrees = 60;
    return OK;
}
int nvmlDeviceGetPowerUsage(Device *device, unsigned *milliwatts) {
    SENSOR(device);
    *milliwatts = 71500;
    return OK;
}

#ifndef OLD_DRIVER
typedef struct { unsigned version; u64 total, reserved, free, used; } Memory2;
typedef struct { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; } Process;

int nvmlDeviceGetMemoryInfo_v2(Device *device, Memory2 *memory) {
    u64 first[3];
    CHECK(device);
    nvmlDeviceGetMemoryInfo(device, first);
    memory->total = first[0];
    memory->reserved = device->part >= 0 ? 0 : 100;
    memory->used = first[2] - memory->reserved;
    memory->free = first[1];
    return OK;
}
int nvmlDeviceGetTotalEnergyConsumption(Device *device, u64 *millijoules) {
    SENSOR(device);
    *millijoules = (u64)energy;
    return OK;
}
int nvmlDeviceGetTotalEccErrors(Device *device, int kind, int counter, u64 *count) {
    (void)counter;
    SENSOR(device);
    *count = (u64)(errors * (kind ? 1 : 10));
    return OK;
}
int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending) {
    CHECK(device);
    if (!mig || device->index) return NOT_SUPPORTED;
    *current = *pending = 1;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned *count) {
    CHECK(device);
    *count = 7;
    return OK;
}
int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned index, Device **part) {
    CHECK(device);
    if (index > 2 || index == 1) return NOT_FOUND;
    parts[device->index][index / 2].index = device->index;
    parts[device->index][index / 2].part = (int)index / 2;
    *part = &parts[device->index][index / 2];
    return OK;
}
/* This process holds memory of the first device, another one of all of them. */
int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned *count, Process *found) {
    CHECK(device);
    unsigned number = 0;
    unsigned room = *count;
    *count = 2;
    if (!found || room < 2) return SMALL;
    if (!device->index)
        found[number++] = (Process){(unsigned)getpid(), hides_pids ? ~0ull : 512, 0, 0};
    found[number++] = (Process){others_pid ? (unsigned)others_pid : 1u, 4096, 0, 0};
    *count = number;
    return OK;
}
#endif
