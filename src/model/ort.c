/*
 * ONNX Runtime behind dlopen. Its C API is a table of function pointers that only ever grows at the
 * end, so that a slot's number is its name: those that we call are listed here, from
 * onnxruntime_c_api.h of 1.0, and hold for every version since (tried with 1.24 and 1.30).
 *
 * The library is loaded once a process and stays: it has threads and thread-local state of its own,
 * and closing it is not safe.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ort.h"

#include <dlfcn.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_VERSION 1
#define LOG_FATAL 4        /* ORT_LOGGING_LEVEL_FATAL: it prints by itself, we return errors */
#define OPTIMISE_ALL 99    /* ORT_ENABLE_ALL */
#define DEVICE_ALLOCATOR 0 /* OrtDeviceAllocator */
#define MEMORY_DEFAULT 0   /* OrtMemTypeDefault */
#define SLOTS 101
#define INSTALL "npm install --ignore-scripts onnxruntime-node"
#if defined(__aarch64__)
#define NODE_ARCH "arm64"
#else
#define NODE_ARCH "x64"
#endif
#define NODE_PATTERN                                                                               \
    "node_modules/onnxruntime-node/bin/napi-v*/linux/" NODE_ARCH "/libonnxruntime.so.1"

/* Everything of ONNX Runtime is opaque to us. */
typedef struct ort_object ort_object;
typedef ort_object *ort_failure; /* OrtStatus *: NULL where it worked */

/* slot, result, name, arguments */
#define ORT_FUNCTIONS(X)                                                                           \
    X(2, const char *, GetErrorMessage, (const ort_object *))                                      \
    X(3, ort_failure, CreateEnv, (int, const char *, ort_object **))                               \
    X(8, ort_failure, CreateSessionFromArray,                                                      \
      (const ort_object *, const void *, size_t, const ort_object *, ort_object **))               \
    X(9, ort_failure, Run,                                                                         \
      (ort_object *, const ort_object *, const char *const *, const ort_object *const *, size_t,   \
       const char *const *, size_t, ort_object **))                                                \
    X(10, ort_failure, CreateSessionOptions, (ort_object **))                                      \
    X(23, ort_failure, SetSessionGraphOptimizationLevel, (ort_object *, int))                      \
    X(24, ort_failure, SetIntraOpNumThreads, (ort_object *, int))                                  \
    X(25, ort_failure, SetInterOpNumThreads, (ort_object *, int))                                  \
    X(30, ort_failure, SessionGetInputCount, (const ort_object *, size_t *))                       \
    X(31, ort_failure, SessionGetOutputCount, (const ort_object *, size_t *))                      \
    X(33, ort_failure, SessionGetInputTypeInfo, (const ort_object *, size_t, ort_object **))       \
    X(34, ort_failure, SessionGetOutputTypeInfo, (const ort_object *, size_t, ort_object **))      \
    X(36, ort_failure, SessionGetInputName, (const ort_object *, size_t, ort_object *, char **))   \
    X(37, ort_failure, SessionGetOutputName, (const ort_object *, size_t, ort_object *, char **))  \
    X(49, ort_failure, CreateTensorWithDataAsOrtValue,                                             \
      (const ort_object *, void *, size_t, const int64_t *, size_t, int, ort_object **))           \
    X(51, ort_failure, GetTensorMutableData, (ort_object *, void **))                              \
    X(55, ort_failure, CastTypeInfoToTensorInfo, (const ort_object *, const ort_object **))        \
    X(60, ort_failure, GetTensorElementType, (const ort_object *, int *))                          \
    X(61, ort_failure, GetDimensionsCount, (const ort_object *, size_t *))                         \
    X(62, ort_failure, GetDimensions, (const ort_object *, int64_t *, size_t))                     \
    X(65, ort_failure, GetTensorTypeAndShape, (const ort_object *, ort_object **))                 \
    X(69, ort_failure, CreateCpuMemoryInfo, (int, int, ort_object **))                             \
    X(76, ort_failure, AllocatorFree, (ort_object *, void *))                                      \
    X(78, ort_failure, GetAllocatorWithDefaultOptions, (ort_object **))                            \
    X(92, void, ReleaseEnv, (ort_object *))                                                        \
    X(93, void, ReleaseStatus, (ort_object *))                                                     \
    X(94, void, ReleaseMemoryInfo, (ort_object *))                                                 \
    X(95, void, ReleaseSession, (ort_object *))                                                    \
    X(96, void, ReleaseValue, (ort_object *))                                                      \
    X(98, void, ReleaseTypeInfo, (ort_object *))                                                   \
    X(99, void, ReleaseTensorTypeAndShapeInfo, (ort_object *))                                     \
    X(100, void, ReleaseSessionOptions, (ort_object *))

struct ort_base {
    const void *const *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
};

/* Filled under the lock by the first session; only read after that. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool loaded;
    void *library;
    char path[AKIN_PATH_MAX], version[32];
#define X(slot, result, name, args) result(*name) args;
    ORT_FUNCTIONS(X)
#undef X
} ort;

struct ort_session {
    ort_object *env, *session, *memory;
    size_t input_count, output_count;
    struct ort_value *inputs, *outputs;
    char *what;
};

/* ---- finding the library ---- */

/* Takes what `path` names, if it can be loaded. */
static bool load(const char *path, akin_error *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const struct ort_base *(*base)(void) = NULL;
    if (library)
        *(void **)&base = dlsym(library, "OrtGetApiBase");
    const void *const *api = base ? base()->GetApi(API_VERSION) : NULL;
    if (!api) {
        const char *why = library ? "it is not ONNX Runtime" : dlerror();
        akin_error_set(err, AKIN_ERR_UNSUPPORTED, "cannot load ONNX Runtime from '%s': %s", path,
                       why ? why : "unknown reason");
        if (library)
            dlclose(library);
        return false;
    }
#define X(slot, result, name, args)                                                                \
    _Static_assert((slot) < SLOTS, "of the first version");                                        \
    memcpy(&ort.name, &api[slot], sizeof ort.name);
    ORT_FUNCTIONS(X)
#undef X
    snprintf(ort.version, sizeof ort.version, "%s", base()->GetVersionString());
    snprintf(ort.path, sizeof ort.path, "%s", path);
    ort.library = library;
    ort.loaded = true;
    return true;
}

/* What npm installed below the working folder; the newest interface last. */
static bool load_from_npm(void)
{
    glob_t found;
    bool loaded = false;
    if (glob(NODE_PATTERN, 0, NULL, &found) == 0)
        for (size_t i = found.gl_pathc; i > 0 && !loaded; i--) {
            char path[AKIN_PATH_MAX];
            /* With a slash, so that the loader takes it for a path. */
            loaded = akin_path_join(path, ".", found.gl_pathv[i - 1], NULL) == AKIN_OK &&
                     load(path, NULL);
        }
    globfree(&found);
    return loaded;
}

static bool load_any(void)
{
    static const char *const usual[] = {"libonnxruntime.so.1", "libonnxruntime.so"};
    static const char *const last[] = {
        "/usr/local/lib/libonnxruntime.so.1", "/usr/local/lib/libonnxruntime.so",
        "/usr/lib/libonnxruntime.so.1", "/usr/lib/libonnxruntime.so"};
    bool loaded = false;
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !loaded; i++)
        loaded = load(usual[i], NULL);
    loaded = loaded || load_from_npm();
    for (size_t i = 0; i < sizeof last / sizeof *last && !loaded; i++)
        loaded = load(last[i], NULL);
    return loaded;
}

static akin_status load_locked(const char *given, akin_error *err)
{
    if (!given || !given[0])
        given = getenv("AKIN_ONNXRUNTIME");
    if (given && !given[0])
        given = NULL;
    if (ort.loaded && given && strcmp(given, ort.path) != 0)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "ONNX Runtime is loaded already, from '%s', so that '%s' cannot be: "
                              "one a process",
                              ort.path, given);
    if (ort.loaded)
        return AKIN_OK;
    if (given)
        return load(given, err) ? AKIN_OK : AKIN_ERR_UNSUPPORTED;
    if (load_any())
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_NOT_FOUND,
                          "ONNX Runtime is not installed, which runs .onnx models: " INSTALL
                          " in this folder, or name its libonnxruntime.so.1 in AKIN_ONNXRUNTIME");
}

static akin_status load_library(const char *given, akin_error *err)
{
    pthread_mutex_lock(&lock);
    akin_status status = load_locked(given, err);
    pthread_mutex_unlock(&lock);
    return status;
}

const char *ort_version(void)
{
    return ort.version;
}

/* ---- errors ---- */

/* AKIN_OK, or `status` with ONNX Runtime's words behind `what`; frees them. */
static akin_status check(ort_failure failure, akin_status status, const char *what, akin_error *err)
{
    if (!failure)
        return AKIN_OK;
    char line[512];
    snprintf(line, sizeof line, "%s", ort.GetErrorMessage(failure));
    line[strcspn(line, "\n")] = '\0';
    ort.ReleaseStatus(failure);
    return akin_error_set(err, status, "'%s': ONNX Runtime says: %s", what, line);
}

/* ---- sessions ---- */

/* Element type and shape of `info`, a TensorTypeAndShapeInfo. */
static akin_status read_shape(const struct ort_session *session, const ort_object *info,
                              int *element, uint32_t *rank, int64_t *dims, akin_error *err)
{
    size_t count = 0;
    akin_status status =
        check(ort.GetTensorElementType(info, element), AKIN_ERR_UNSUPPORTED, session->what, err);
    if (status == AKIN_OK)
        status =
            check(ort.GetDimensionsCount(info, &count), AKIN_ERR_UNSUPPORTED, session->what, err);
    if (status == AKIN_OK && count > ONNX_RANK_MAX)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s': a tensor of %zu dimensions",
                              session->what, count);
    if (status == AKIN_OK)
        status =
            check(ort.GetDimensions(info, dims, count), AKIN_ERR_UNSUPPORTED, session->what, err);
    *rank = (uint32_t)count;
    return status;
}

static akin_status describe(const struct ort_session *session, size_t index, bool is_input,
                            struct ort_value *out, akin_error *err)
{
    ort_object *allocator = NULL, *type = NULL;
    const ort_object *tensor = NULL;
    char *name = NULL;
    akin_status status = check(ort.GetAllocatorWithDefaultOptions(&allocator), AKIN_ERR_UNSUPPORTED,
                               session->what, err);
    if (status == AKIN_OK)
        status = check((is_input ? ort.SessionGetInputName : ort.SessionGetOutputName)(
                           session->session, index, allocator, &name),
                       AKIN_ERR_UNSUPPORTED, session->what, err);
    if (status == AKIN_OK && (!name || strlen(name) >= sizeof out->name))
        status = akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s': the name '%.40s...' is too long",
                                session->what, name ? name : "");
    if (status == AKIN_OK)
        memcpy(out->name, name, strlen(name) + 1);
    if (status == AKIN_OK)
        status = check((is_input ? ort.SessionGetInputTypeInfo
                                 : ort.SessionGetOutputTypeInfo)(session->session, index, &type),
                       AKIN_ERR_UNSUPPORTED, session->what, err);
    if (status == AKIN_OK)
        status = check(ort.CastTypeInfoToTensorInfo(type, &tensor), AKIN_ERR_UNSUPPORTED,
                       session->what, err);
    if (status == AKIN_OK && tensor) /* NULL: a sequence or a map, element 0 */
        status = read_shape(session, tensor, &out->element, &out->rank, out->dims, err);
    if (type)
        ort.ReleaseTypeInfo(type);
    if (name)
        check(ort.AllocatorFree(allocator, name), AKIN_ERR_UNSUPPORTED, session->what, NULL);
    return status;
}

static akin_status describe_all(struct ort_session *session, akin_error *err)
{
    size_t in = 0, out = 0;
    akin_status status = check(ort.SessionGetInputCount(session->session, &in),
                               AKIN_ERR_UNSUPPORTED, session->what, err);
    if (status == AKIN_OK)
        status = check(ort.SessionGetOutputCount(session->session, &out), AKIN_ERR_UNSUPPORTED,
                       session->what, err);
    if (status == AKIN_OK && (!in || !out || in > ORT_LINKS_MAX || out > ORT_LINKS_MAX))
        status = akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                                "'%s' has %zu inputs and %zu outputs: 1 to %d of each can be used",
                                session->what, in, out, ORT_LINKS_MAX);
    if (status != AKIN_OK)
        return status;
    session->inputs = akin_alloc_zero(in, sizeof *session->inputs);
    session->outputs = akin_alloc_zero(out, sizeof *session->outputs);
    if (!session->inputs || !session->outputs)
        return akin_error_memory(err, (in + out) * sizeof *session->inputs, "a model's inputs");
    session->input_count = in;
    session->output_count = out;
    for (size_t i = 0; i < in && status == AKIN_OK; i++)
        status = describe(session, i, true, &session->inputs[i], err);
    for (size_t i = 0; i < out && status == AKIN_OK; i++)
        status = describe(session, i, false, &session->outputs[i], err);
    return status;
}

/* One thread a run, the caller's: akin runs as many encoders as there are cores. */
static akin_status open_session(struct ort_session *session, const void *bytes, size_t size,
                                akin_error *err)
{
    const char *what = session->what;
    ort_object *options = NULL;
    akin_status status =
        check(ort.CreateEnv(LOG_FATAL, "akin", &session->env), AKIN_ERR_UNSUPPORTED, what, err);
    if (status == AKIN_OK)
        status = check(ort.CreateCpuMemoryInfo(DEVICE_ALLOCATOR, MEMORY_DEFAULT, &session->memory),
                       AKIN_ERR_UNSUPPORTED, what, err);
    if (status == AKIN_OK)
        status = check(ort.CreateSessionOptions(&options), AKIN_ERR_UNSUPPORTED, what, err);
    if (status == AKIN_OK)
        status = check(ort.SetIntraOpNumThreads(options, 1), AKIN_ERR_UNSUPPORTED, what, err);
    if (status == AKIN_OK)
        status = check(ort.SetInterOpNumThreads(options, 1), AKIN_ERR_UNSUPPORTED, what, err);
    if (status == AKIN_OK)
        status = check(ort.SetSessionGraphOptimizationLevel(options, OPTIMISE_ALL),
                       AKIN_ERR_UNSUPPORTED, what, err);
    if (status == AKIN_OK)
        status =
            check(ort.CreateSessionFromArray(session->env, bytes, size, options, &session->session),
                  AKIN_ERR_CORRUPT, what, err);
    if (options)
        ort.ReleaseSessionOptions(options);
    return status;
}

akin_status ort_session_create(struct ort_session **out, const char *library, const void *bytes,
                               size_t size, const char *what, akin_error *err)
{
    akin_status status = load_library(library, err);
    if (status != AKIN_OK)
        return status;
    struct ort_session *session = akin_alloc_zero(1, sizeof *session);
    if (!session || !(session->what = akin_strdup(what))) {
        akin_free(session);
        return akin_error_memory(err, sizeof *session, "a model's session");
    }
    status = open_session(session, bytes, size, err);
    if (status == AKIN_OK)
        status = describe_all(session, err);
    if (status == AKIN_OK)
        *out = session;
    else
        ort_session_free(session);
    return status;
}

void ort_session_free(struct ort_session *session)
{
    if (!session)
        return;
    if (session->session)
        ort.ReleaseSession(session->session);
    if (session->memory)
        ort.ReleaseMemoryInfo(session->memory);
    if (session->env)
        ort.ReleaseEnv(session->env);
    akin_free(session->inputs);
    akin_free(session->outputs);
    akin_free(session->what);
    akin_free(session);
}

size_t ort_input_count(const struct ort_session *session)
{
    return session->input_count;
}

size_t ort_output_count(const struct ort_session *session)
{
    return session->output_count;
}

const struct ort_value *ort_input(const struct ort_session *session, size_t index)
{
    return &session->inputs[index];
}

const struct ort_value *ort_output(const struct ort_session *session, size_t index)
{
    return &session->outputs[index];
}

/* ---- runs ---- */

/* The shape of what came out, and that it is f32. */
static akin_status read_result(const struct ort_session *session, size_t output, ort_object *value,
                               struct ort_result *out, akin_error *err)
{
    ort_object *info = NULL;
    void *data = NULL;
    int element = 0;
    akin_status status =
        check(ort.GetTensorTypeAndShape(value, &info), AKIN_ERR_UNSUPPORTED, session->what, err);
    if (status == AKIN_OK)
        status = read_shape(session, info, &element, &out->rank, out->dims, err);
    if (info)
        ort.ReleaseTensorTypeAndShapeInfo(info);
    if (status == AKIN_OK && element != ONNX_FLOAT)
        status = akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s': output '%s' is %s, not float32",
                                session->what, session->outputs[output].name,
                                onnx_element_name(element));
    if (status == AKIN_OK)
        status =
            check(ort.GetTensorMutableData(value, &data), AKIN_ERR_UNSUPPORTED, session->what, err);
    out->data = data;
    out->count = 1;
    for (uint32_t i = 0; i < out->rank && status == AKIN_OK; i++)
        if (out->dims[i] < 0 || !akin_size_mul(&out->count, out->count, (size_t)out->dims[i]))
            status = akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                                    "'%s': output '%s' has a shape that makes no sense",
                                    session->what, session->outputs[output].name);
    return status;
}

akin_status ort_run(const struct ort_session *session, size_t input, size_t output,
                    const float *data, uint32_t rank, const int64_t *dims, struct ort_result *out,
                    akin_error *err)
{
    const char *const input_name = session->inputs[input].name;
    const char *const output_name = session->outputs[output].name;
    struct ort_result result = {0};
    ort_object *in = NULL, *value = NULL;
    size_t bytes = sizeof *data;
    for (uint32_t i = 0; i < rank; i++)
        if (dims[i] < 0 || !akin_size_mul(&bytes, bytes, (size_t)dims[i]))
            return akin_error_set(err, AKIN_ERR_INVALID, "'%s': a batch too large", session->what);
    /* ONNX Runtime takes the input for its own to write to in its type only: it reads it. */
    akin_status status =
        check(ort.CreateTensorWithDataAsOrtValue(session->memory, (void *)(uintptr_t)data, bytes,
                                                 dims, rank, ONNX_FLOAT, &in),
              AKIN_ERR_UNSUPPORTED, session->what, err);
    if (status == AKIN_OK)
        status = check(ort.Run(session->session, NULL, &input_name, (const ort_object *const *)&in,
                               1, &output_name, 1, &value),
                       AKIN_ERR_UNSUPPORTED, session->what, err);
    if (status == AKIN_OK)
        status = read_result(session, output, value, &result, err);
    if (in)
        ort.ReleaseValue(in);
    if (status != AKIN_OK) {
        if (value)
            ort.ReleaseValue(value);
        return status;
    }
    result.value = value;
    *out = result;
    return AKIN_OK;
}

void ort_result_free(struct ort_result *result)
{
    if (result->value)
        ort.ReleaseValue(result->value);
    *result = (struct ort_result){0};
}
