/*
 * The graph apart from its operations: tensors, steps, running them, and the plan of memory.
 *
 * The plan: every step's number on one time line (forward, then backward) says from when to when a
 * buffer is needed. Buffers are placed greedily, largest first, at the lowest offset where nothing
 * that lives at the same time lies: r18h at 512 views of 64 px needs a third of the sum of its
 * buffers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_private.h"

/* Of OpenMP's run-time library, which oneDNN is built on; its header comes with gcc only. */
extern void omp_set_num_threads(int count);

/* ---- failures ---- */

int graph_fail(struct graph *graph, akin_status status, const char *format, ...)
{
    if (graph->status != AKIN_OK)
        return -1;
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    graph->status = akin_error_set(&graph->error, status, "%s", text);
    return -1;
}

bool graph_ok(struct graph *graph, dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return true;
    if (status == dnnl_out_of_memory)
        graph_fail(graph, AKIN_ERR_NO_MEMORY, "out of memory: %s", what);
    else
        graph_fail(graph, AKIN_ERR_UNSUPPORTED, "oneDNN cannot do %s (status %d)", what,
                   (int)status);
    return false;
}

/* ---- building ---- */

graph_md graph_md_of(struct graph *graph, uint32_t rank, const uint32_t *dims,
                     dnnl_data_type_t dtype, dnnl_format_tag_t tag)
{
    graph_md md;
    dnnl_dims_t sizes = {0};
    memset(&md, 0, sizeof md);
    for (uint32_t i = 0; i < rank; i++)
        sizes[i] = dims[i];
    graph_ok(graph, dnnl_memory_desc_init_by_tag(&md, (int)rank, sizes, dtype, tag), "a layout");
    return md;
}

size_t graph_elements(const graph_md *md)
{
    return dnnl_memory_desc_get_size(md) / dnnl_data_type_size(md->data_type);
}

int graph_buffer(struct graph *graph, size_t bytes)
{
    if (graph->status != AKIN_OK)
        return -1;
    if (graph->buffer_count == GRAPH_BUFFERS_MAX)
        return graph_fail(graph, AKIN_ERR_LIMIT, "the net has more than %d buffers",
                          GRAPH_BUFFERS_MAX);
    struct graph_buffer *buffer = &graph->buffers[graph->buffer_count];
    *buffer = (struct graph_buffer){.bytes = (bytes + AKIN_ALIGN - 1) / AKIN_ALIGN * AKIN_ALIGN,
                                    .alias = -1,
                                    .first = -1,
                                    .last = -1};
    return graph->buffer_count++;
}

static int root(const struct graph *graph, int buffer)
{
    while (graph->buffers[buffer].alias >= 0)
        buffer = graph->buffers[buffer].alias;
    return buffer;
}

void graph_alias(struct graph *graph, int buffer, int other)
{
    if (graph->status == AKIN_OK && root(graph, buffer) != root(graph, other))
        graph->buffers[root(graph, other)].alias = root(graph, buffer);
}

void *graph_buffer_data(const struct graph *graph, int buffer)
{
    return (char *)graph->arena + graph->buffers[root(graph, buffer)].offset;
}

int graph_tensor(struct graph *graph, const graph_md *md)
{
    if (graph->status != AKIN_OK)
        return -1;
    if (graph->tensor_count == GRAPH_TENSORS_MAX)
        return graph_fail(graph, AKIN_ERR_LIMIT, "the net has more than %d tensors",
                          GRAPH_TENSORS_MAX);
    struct graph_tensor *tensor = &graph->tensors[graph->tensor_count];
    *tensor = (struct graph_tensor){.md = *md,
                                    .again = {.x = -1},
                                    .gradient = -1,
                                    .from = -1,
                                    .normal = -1,
                                    .sums = -1,
                                    .picture = -1};
    uint32_t *sizes[4] = {&tensor->n, &tensor->c, &tensor->h, &tensor->w};
    for (int i = 0; i < 4; i++)
        *sizes[i] = i < md->ndims ? (uint32_t)md->dims[i] : 1;
    tensor->value = graph_buffer(graph, dnnl_memory_desc_get_size(md));
    return graph->tensor_count++;
}

int graph_gradient_buffer(struct graph *graph, int index)
{
    struct graph_tensor *tensor = &graph->tensors[index];
    if (tensor->gradient < 0)
        tensor->gradient = graph_buffer(graph, dnnl_memory_desc_get_size(&tensor->md));
    return tensor->gradient;
}

struct graph_step *graph_push(struct graph *graph, struct graph_list *list, const char *name)
{
    if (graph->status == AKIN_OK && list->count == GRAPH_STEPS_MAX)
        graph_fail(graph, AKIN_ERR_LIMIT, "the net has more than %d steps", GRAPH_STEPS_MAX);
    if (graph->status != AKIN_OK)
        return &graph->nowhere;
    struct graph_step *step = &list->steps[list->count++];
    *step = (struct graph_step){.name = name, .dtype = graph->options.dtype};
    return step;
}

dnnl_memory_t graph_memory(struct graph *graph, const graph_md *md, void *data)
{
    dnnl_memory_t memory = NULL;
    if (graph->status != AKIN_OK)
        return NULL;
    if (graph->memory_count == GRAPH_FREED_MAX) {
        graph_fail(graph, AKIN_ERR_LIMIT, "the net has more than %d memories", GRAPH_FREED_MAX);
        return NULL;
    }
    if (!graph_ok(graph, dnnl_memory_create(&memory, md, graph->engine, data), "a memory"))
        return NULL;
    graph->memories[graph->memory_count++] = memory;
    return memory;
}

void *graph_own(struct graph *graph, size_t bytes)
{
    if (graph->status != AKIN_OK)
        return NULL;
    if (graph->block_count == GRAPH_BLOCKS_MAX) {
        graph_fail(graph, AKIN_ERR_LIMIT, "the net has more than %d weights", GRAPH_STEPS_MAX);
        return NULL;
    }
    void *block = akin_alloc_zero(bytes, 1);
    if (!block) {
        graph_fail(graph, AKIN_ERR_NO_MEMORY, "out of memory: %zu bytes of weights", bytes);
        return NULL;
    }
    graph->blocks[graph->block_count++] = block;
    graph->block_bytes += bytes;
    return block;
}

dnnl_memory_t graph_block(struct graph *graph, const graph_md *md)
{
    void *block = graph_own(graph, dnnl_memory_desc_get_size(md));
    return block ? graph_memory(graph, md, block) : NULL;
}

void graph_arg(struct graph *graph, struct graph_step *step, int id, const graph_md *md, int buffer)
{
    if (graph->status != AKIN_OK)
        return;
    struct graph_arg *arg = &step->args[step->arg_count++];
    *arg = (struct graph_arg){.id = id, .buffer = buffer};
    if (step->primitive)
        arg->memory = graph_memory(graph, md, DNNL_MEMORY_NONE);
}

void graph_arg_memory(struct graph *graph, struct graph_step *step, int id, dnnl_memory_t memory)
{
    if (graph->status != AKIN_OK)
        return;
    step->args[step->arg_count++] = (struct graph_arg){.id = id, .buffer = -1, .memory = memory};
}

static const char *implementation(const_dnnl_primitive_desc_t desc)
{
    const char *name = "";
    dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name);
    return name;
}

bool graph_is_reference(const_dnnl_primitive_desc_t desc)
{
    const char *name = implementation(desc);
    return !strncmp(name, "ref", 3) || !strncmp(name, "gemm:ref", 8) ||
           !strncmp(name, "simple:any", 10);
}

void graph_primitive(struct graph *graph, struct graph_step *step, dnnl_primitive_desc_t desc,
                     bool fast)
{
    if (graph->status == AKIN_OK && fast && graph_is_reference(desc))
        graph_fail(graph, AKIN_ERR_UNSUPPORTED,
                   "oneDNN has only its slow reference for %s here (%s)", step->name,
                   implementation(desc));
    else if (graph->status == AKIN_OK)
        graph_ok(graph, dnnl_primitive_create(&step->primitive, desc), step->name);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
}

struct graph_step *graph_reorder(struct graph *graph, struct graph_list *list, const char *name,
                                 const graph_md *from, const graph_md *to)
{
    dnnl_primitive_desc_t desc = NULL;
    struct graph_step *step = graph_push(graph, list, name);
    if (graph->status == AKIN_OK &&
        graph_ok(
            graph,
            dnnl_reorder_primitive_desc_create(&desc, from, graph->engine, to, graph->engine, NULL),
            name))
        graph_primitive(graph, step, desc, false);
    return step;
}

/* ---- blocked layouts ---- */

struct graph_walk graph_walk_of(const struct graph *graph, const graph_md *md, int buffer)
{
    const dnnl_blocking_desc_t *blocking = &md->format_desc.blocking;
    return (struct graph_walk){.data = graph_buffer_data(graph, buffer),
                               .md = *md,
                               .block = blocking->inner_nblks ? (size_t)blocking->inner_blks[0] : 1,
                               .wide = md->data_type == dnnl_bf16};
}

/* All channels of one pixel, side by side. */
void graph_read_pixel(const struct graph_walk *walk, size_t n, size_t h, size_t w, float *out)
{
    const dnnl_dim_t *stride = walk->md.format_desc.blocking.strides;
    size_t channels = (size_t)walk->md.dims[1];
    size_t at = n * (size_t)stride[0] + h * (size_t)stride[2] + w * (size_t)stride[3];
    for (size_t c = 0; c < channels; c += walk->block, at += (size_t)stride[1]) {
        size_t some = channels - c < walk->block ? channels - c : walk->block;
        if (walk->unit > 0) {
            for (size_t i = 0; i < some; i++)
                out[c + i] = walk->unit * (float)((const uint8_t *)walk->data)[at + i];
            continue;
        }
        if (!walk->wide) {
            memcpy(out + c, (const float *)walk->data + at, some * sizeof *out);
            continue;
        }
        for (size_t i = 0; i < some; i++)
            out[c + i] = graph_widen(((const uint16_t *)walk->data)[at + i]);
    }
}

/* ---- the plan of memory ---- */

static void note_uses(struct graph *graph, const struct graph_step *step, int time)
{
    for (int i = 0; i < step->arg_count; i++) {
        if (step->args[i].buffer < 0)
            continue;
        struct graph_buffer *buffer = &graph->buffers[root(graph, step->args[i].buffer)];
        if (buffer->first < 0)
            buffer->first = time;
        buffer->last = time;
    }
}

static int compare_sizes(const void *a, const void *b)
{
    const struct graph_buffer *x = *(struct graph_buffer *const *)a;
    const struct graph_buffer *y = *(struct graph_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool live_together(const struct graph_buffer *a, const struct graph_buffer *b)
{
    return a->kept || b->kept || (a->first <= b->last && b->first <= a->last);
}

/* The lowest offset where `buffer` hits none of the `count` that are placed. */
static size_t lowest_offset(const struct graph_buffer *buffer, struct graph_buffer *const *placed,
                            int count)
{
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < count; i++) {
            const struct graph_buffer *other = placed[i];
            if (live_together(buffer, other) && offset < other->offset + other->bytes &&
                other->offset < offset + buffer->bytes) {
                offset = other->offset + other->bytes;
                moved = true;
            }
        }
    }
    return offset;
}

static void plan_memory(struct graph *graph)
{
    struct graph_buffer *order[GRAPH_BUFFERS_MAX];
    int time = 0, count = 0;
    for (int i = 0; i < graph->forward.count; i++)
        note_uses(graph, &graph->forward.steps[i], time++);
    for (int i = graph->backward.count; i-- > 0;)
        note_uses(graph, &graph->backward.steps[i], time++);
    for (int i = 0; i < graph->buffer_count; i++)
        if (graph->buffers[i].alias < 0 && (graph->buffers[i].first >= 0 || graph->buffers[i].kept))
            order[count++] = &graph->buffers[i];
    qsort(order, (size_t)count, sizeof *order, compare_sizes);
    for (int i = 0; i < count; i++) {
        order[i]->offset = lowest_offset(order[i], order, i);
        if (order[i]->offset + order[i]->bytes > graph->arena_bytes)
            graph->arena_bytes = order[i]->offset + order[i]->bytes;
    }
}

static void place_args(struct graph *graph, struct graph_list *list)
{
    for (int i = 0; i < list->count; i++)
        for (int j = 0; j < list->steps[i].arg_count; j++) {
            struct graph_arg *arg = &list->steps[i].args[j];
            if (arg->buffer >= 0 && arg->memory)
                graph_ok(
                    graph,
                    dnnl_memory_set_data_handle(arg->memory, graph_buffer_data(graph, arg->buffer)),
                    "a memory's place");
        }
}

akin_status graph_finish(struct graph *graph, int output, akin_error *err)
{
    if (graph->status == AKIN_OK && output >= 0) {
        graph->buffers[root(graph, graph->tensors[output].value)].kept = true;
        if (graph->options.training)
            graph->buffers[root(graph, graph_gradient_buffer(graph, output))].kept = true;
    }
    if (graph->status == AKIN_OK) {
        plan_memory(graph);
        graph->arena = akin_alloc_zero(graph->arena_bytes, 1);
        if (!graph->arena)
            graph_fail(graph, AKIN_ERR_NO_MEMORY,
                       "out of memory: a batch of %u needs %zu MB of activations",
                       graph->options.batch, graph->arena_bytes >> 20);
    }
    place_args(graph, &graph->forward);
    place_args(graph, &graph->backward);
    if (graph->status != AKIN_OK)
        return akin_error_set(err, graph->status, "%s", graph->error.text);
    return AKIN_OK;
}

/* ---- life ---- */

bool graph_has_dtype(enum graph_dtype dtype)
{
    if (dtype == GRAPH_F32)
        return true;
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return isa == dnnl_cpu_isa_avx512_core_bf16 || isa == dnnl_cpu_isa_avx512_core_amx;
}

bool graph_bundles(enum graph_dtype dtype)
{
    return dtype == GRAPH_BF16 && graph_has_dtype(dtype) && akin_kernels()->bundle;
}

bool graph_int8_pays(void)
{
    /* Bits of dnnl_cpu_isa_t. Measured with AVX2 alone, beside Winograd in f32: 1.3 to 1.6 times as
     * fast (docs/MODEL.md); with VNNI 1.5 to 1.9 times bf16. */
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2;
}

akin_status graph_create(struct graph **out, const struct graph_options *options, akin_error *err)
{
    if (!graph_has_dtype(options->dtype))
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED, "this CPU has no bf16 instructions");
    struct graph *graph = akin_alloc_zero(1, sizeof *graph);
    if (!graph)
        return akin_error_memory(err, sizeof *graph, "a net");
    graph->options = *options;
    graph->images = options->batch;
    graph->dtype = options->dtype == GRAPH_BF16 ? dnnl_bf16 : dnnl_f32;
    if (graph_bundles(options->dtype) && options->bundled)
        graph->bundle = akin_kernels()->bundle;
    omp_set_num_threads(1);
    if (graph_ok(graph, dnnl_engine_create(&graph->engine, dnnl_cpu, 0), "an engine"))
        graph_ok(graph,
                 dnnl_stream_create(&graph->stream, graph->engine, dnnl_stream_default_flags),
                 "a stream");
    if (graph->status != AKIN_OK) {
        akin_status status = akin_error_set(err, graph->status, "%s", graph->error.text);
        graph_free(graph);
        return status;
    }
    *out = graph;
    return AKIN_OK;
}

static void free_list(struct graph_list *list)
{
    for (int i = 0; i < list->count; i++)
        if (list->steps[i].primitive)
            dnnl_primitive_destroy(list->steps[i].primitive);
}

void graph_free(struct graph *graph)
{
    if (!graph)
        return;
    free_list(&graph->forward);
    free_list(&graph->backward);
    free_list(&graph->refresh);
    for (size_t i = 0; i < graph->memory_count; i++)
        dnnl_memory_destroy(graph->memories[i]);
    for (size_t i = 0; i < graph->block_count; i++)
        akin_free(graph->blocks[i]);
    if (graph->stream)
        dnnl_stream_destroy(graph->stream);
    if (graph->engine)
        dnnl_engine_destroy(graph->engine);
    akin_free(graph->arena);
    akin_free(graph);
}

size_t graph_bytes(const struct graph *graph)
{
    return sizeof *graph + graph->arena_bytes + graph->block_bytes;
}

float *graph_data(struct graph *graph, int tensor)
{
    return graph_buffer_data(graph, graph->tensors[tensor].value);
}

float *graph_gradient(struct graph *graph, int tensor)
{
    return graph_buffer_data(graph, graph->tensors[tensor].gradient);
}

void graph_set_momentum(struct graph *graph, float momentum)
{
    graph->momentum = momentum;
}

void graph_set_images(struct graph *graph, uint32_t images)
{
    graph->images = images < graph->options.batch ? images : graph->options.batch;
}

/* ---- running ---- */

static akin_status run_step(struct graph *graph, const struct graph_step *step, akin_error *err)
{
    dnnl_exec_arg_t args[GRAPH_ARGS_MAX];
    if (step->run) {
        step->run(graph, step);
        return AKIN_OK;
    }
    for (int i = 0; i < step->arg_count; i++)
        args[i] = (dnnl_exec_arg_t){step->args[i].id, step->args[i].memory};
    dnnl_status_t status =
        dnnl_primitive_execute(step->primitive, graph->stream, step->arg_count, args);
    if (status != dnnl_success)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED, "oneDNN failed in %s (status %d)",
                              step->name, (int)status);
    return AKIN_OK;
}

static akin_status run_list(struct graph *graph, const struct graph_list *list, bool from_end,
                            akin_error *err)
{
    akin_status status = AKIN_OK;
    omp_set_num_threads(1); /* of this thread: see the head of graph.h */
    for (int i = 0; i < list->count && status == AKIN_OK; i++)
        status = run_step(graph, &list->steps[from_end ? list->count - 1 - i : i], err);
    return status;
}

akin_status graph_refresh(struct graph *graph, akin_error *err)
{
    return run_list(graph, &graph->refresh, false, err);
}

akin_status graph_forward(struct graph *graph, akin_error *err)
{
    return run_list(graph, &graph->forward, false, err);
}

akin_status graph_backward(struct graph *graph, akin_error *err)
{
    return run_list(graph, &graph->backward, true, err);
}
