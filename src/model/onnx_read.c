/*
 * The ONNX reader: messages within messages, each read by one function into the graph's arena.
 * Lists are counted first and then filled, so that nothing grows; names are copied, since in the
 * file no NUL ends them; weights stay where they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "onnx_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protobuf.h"

#define ARENA_BYTES_MAX ((size_t)256 << 20)
#define NAME_BYTES_MAX 4096
#define ATTRIBUTES_MAX 64

/* ---- parts that all messages have ---- */

static akin_status corrupt(const struct onnx_graph *graph, const char *part, akin_error *err)
{
    return akin_error_set(err, AKIN_ERR_CORRUPT,
                          "'%s' is not an ONNX file or is damaged: %s cannot be read", graph->what,
                          part);
}

/* count objects of zeros, count <= max. */
static akin_status allocate(void *out, struct onnx_graph *graph, size_t count, size_t size,
                            size_t max, const char *part, akin_error *err)
{
    if (count > max)
        return akin_error_set(err, AKIN_ERR_LIMIT, "'%s' has %zu of %s, at most %zu are read",
                              graph->what, count, part, max);
    void *block = akin_arena_alloc(graph->arena, count ? count : 1, size);
    if (!block)
        return akin_error_memory(err, count * size, part);
    memset(block, 0, (count ? count : 1) * size);
    memcpy(out, &block, sizeof block);
    return AKIN_OK;
}

static akin_status copy_text(const char **out, struct onnx_graph *graph,
                             const struct protobuf_field *field, akin_error *err)
{
    char *copy = NULL;
    if (field->wire != PROTOBUF_BYTES || field->size > NAME_BYTES_MAX ||
        (field->size && memchr(field->data, 0, field->size)))
        return corrupt(graph, "a name", err);
    akin_status status =
        allocate(&copy, graph, field->size + 1, 1, NAME_BYTES_MAX + 1, "a name", err);
    if (status == AKIN_OK && field->size)
        memcpy(copy, field->data, field->size);
    if (status == AKIN_OK)
        *out = copy;
    return status;
}

/* Adds a repeated integer, which may stand alone or packed, to at most ONNX_RANK_MAX of them. */
static bool add_integers(int64_t *list, uint32_t *count, const struct protobuf_field *field)
{
    struct protobuf_reader packed = protobuf_begin(field->data, field->size);
    uint64_t value = field->value;
    if (field->wire == PROTOBUF_VARINT && *count < ONNX_RANK_MAX) {
        list[(*count)++] = (int64_t)value;
        return true;
    }
    while (field->wire == PROTOBUF_BYTES && protobuf_next_varint(&packed, &value)) {
        if (*count == ONNX_RANK_MAX)
            return false;
        list[(*count)++] = (int64_t)value;
    }
    return field->wire == PROTOBUF_BYTES && !packed.broken;
}

/* ---- tensors ---- */

static size_t element_bytes(int element)
{
    switch (element) {
    case ONNX_FLOAT:
    case ONNX_INT32:
        return 4;
    case ONNX_INT64:
    case ONNX_DOUBLE:
        return 8;
    case ONNX_FLOAT16:
    case ONNX_BFLOAT16:
        return 2;
    case ONNX_UINT8:
    case ONNX_INT8:
    case ONNX_BOOL:
        return 1;
    default:
        return 0;
    }
}

/* The shape against the bytes that are there. */
static akin_status check_tensor(const struct onnx_graph *graph, struct onnx_tensor *tensor,
                                akin_error *err)
{
    size_t bytes, one = element_bytes(tensor->element);
    tensor->count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] < 0 ||
            !akin_size_mul(&tensor->count, tensor->count, (size_t)tensor->dims[i]))
            return corrupt(graph, "the shape of a tensor", err);
    if (!tensor->data && tensor->count && !tensor->why)
        tensor->why = "its numbers are missing";
    if (!one || tensor->why)
        return AKIN_OK;
    if (tensor->packed_varints) /* a byte each, at least */
        return tensor->count <= tensor->bytes ? AKIN_OK : corrupt(graph, "a tensor", err);
    if (!akin_size_mul(&bytes, tensor->count, one) || bytes != tensor->bytes)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s': tensor '%.80s' has %zu bytes, which its shape does not fill",
                              graph->what, tensor->name, tensor->bytes);
    return AKIN_OK;
}

/* One of the ways in which a tensor holds its numbers. */
static void take_data(struct onnx_tensor *tensor, const struct protobuf_field *field)
{
    if (field->wire != PROTOBUF_BYTES) {
        tensor->why = "its numbers are not packed";
        return;
    }
    tensor->data = field->data;
    tensor->bytes = field->size;
    tensor->packed_varints = field->number == ONNX_TENSOR_INT64S;
}

static akin_status read_tensor(struct onnx_graph *graph, const struct protobuf_field *message,
                               struct onnx_tensor *out, akin_error *err)
{
    struct protobuf_reader reader = protobuf_begin(message->data, message->size);
    struct protobuf_field field;
    akin_status status = AKIN_OK;
    out->name = "";
    while (status == AKIN_OK && protobuf_next(&reader, &field))
        switch (field.number) {
        case ONNX_TENSOR_DIMS:
            if (!add_integers(out->dims, &out->rank, &field))
                status = corrupt(graph, "the shape of a tensor", err);
            break;
        case ONNX_TENSOR_TYPE:
            out->element = field.value <= INT32_MAX ? (int)field.value : 0;
            break;
        case ONNX_TENSOR_NAME:
            status = copy_text(&out->name, graph, &field, err);
            break;
        case ONNX_TENSOR_FLOATS:
        case ONNX_TENSOR_INT64S:
        case ONNX_TENSOR_RAW:
            take_data(out, &field);
            break;
        case ONNX_TENSOR_LOCATION:
            if (field.value)
                out->why = "its numbers are in another file";
            break;
        default:
            break;
        }
    if (status == AKIN_OK && (reader.broken || message->wire != PROTOBUF_BYTES))
        status = corrupt(graph, "a tensor", err);
    return status == AKIN_OK ? check_tensor(graph, out, err) : status;
}

/* ---- inputs and outputs of the graph ---- */

/* A message found inside `message` under `number`: the last one, as protobuf has it. */
static bool inner_message(struct protobuf_field *out, const struct protobuf_field *message,
                          uint32_t number)
{
    struct protobuf_reader reader = protobuf_begin(message->data, message->size);
    struct protobuf_field field;
    bool found = false;
    while (protobuf_next(&reader, &field))
        if (field.number == number) {
            *out = field;
            found = true;
        }
    return found && !reader.broken;
}

static bool read_shape(struct onnx_value *value, const struct protobuf_field *message)
{
    struct protobuf_reader reader = protobuf_begin(message->data, message->size);
    struct protobuf_field field, size;
    while (protobuf_next(&reader, &field)) {
        if (field.number != ONNX_SHAPE_DIM)
            continue;
        if (value->rank == ONNX_RANK_MAX || field.wire != PROTOBUF_BYTES)
            return false;
        bool known = inner_message(&size, &field, ONNX_DIM_VALUE);
        value->dims[value->rank++] = known && size.value <= INT64_MAX ? (int64_t)size.value : -1;
    }
    value->has_shape = !reader.broken;
    return !reader.broken;
}

static akin_status read_value(struct onnx_graph *graph, const struct protobuf_field *message,
                              struct onnx_value *out, akin_error *err)
{
    struct protobuf_field name = {.wire = PROTOBUF_BYTES}, type, tensor, field;
    inner_message(&name, message, ONNX_VALUE_NAME);
    akin_status status = copy_text(&out->name, graph, &name, err);
    if (status != AKIN_OK)
        return status;
    /* A value may be of no tensor type (a sequence): then element stays 0. */
    if (!inner_message(&type, message, ONNX_VALUE_TYPE) ||
        !inner_message(&tensor, &type, ONNX_TYPE_TENSOR))
        return AKIN_OK;
    if (inner_message(&field, &tensor, ONNX_TENSOR_TYPE_ELEMENT) && field.value <= INT32_MAX)
        out->element = (int)field.value;
    if (inner_message(&field, &tensor, ONNX_TENSOR_TYPE_SHAPE) && !read_shape(out, &field))
        return corrupt(graph, "the shape of an input or output", err);
    return AKIN_OK;
}

/* ---- operators ---- */

static akin_status read_attribute(struct onnx_graph *graph, const struct protobuf_field *message,
                                  struct onnx_attribute *out, akin_error *err)
{
    struct protobuf_reader reader = protobuf_begin(message->data, message->size);
    struct protobuf_field field;
    struct onnx_tensor *tensor = NULL;
    akin_status status = AKIN_OK;
    out->name = "";
    while (status == AKIN_OK && protobuf_next(&reader, &field)) {
        uint32_t bits = (uint32_t)field.value;
        if (field.number == ONNX_ATTRIBUTE_NAME)
            status = copy_text(&out->name, graph, &field, err);
        else if (field.number == ONNX_ATTRIBUTE_TYPE && field.value <= INT32_MAX)
            out->type = (enum onnx_attribute_type)field.value;
        else if (field.number == ONNX_ATTRIBUTE_I)
            out->i = (int64_t)field.value;
        else if (field.number == ONNX_ATTRIBUTE_F)
            memcpy(&out->f, &bits, sizeof bits);
        else if (field.number == ONNX_ATTRIBUTE_S && field.size <= NAME_BYTES_MAX &&
                 (!field.size || !memchr(field.data, 0, field.size)))
            status =
                copy_text(&out->s, graph, &field, err); /* a longer text is no option of ours */
        else if (field.number == ONNX_ATTRIBUTE_INTS &&
                 !add_integers(out->ints, &out->count, &field))
            out->type = ONNX_ATTRIBUTE_NONE; /* more of them than any operator that we run takes */
        else if (field.number == ONNX_ATTRIBUTE_T) {
            status = allocate(&tensor, graph, 1, sizeof *tensor, 1, "a constant", err);
            if (status == AKIN_OK)
                status = read_tensor(graph, &field, tensor, err);
            out->tensor = tensor;
        }
    }
    if (status == AKIN_OK && (reader.broken || message->wire != PROTOBUF_BYTES))
        status = corrupt(graph, "an attribute", err);
    return status;
}

static akin_status allocate_node(struct onnx_graph *graph, const struct protobuf_field *message,
                                 struct onnx_node *node, const char ***inputs,
                                 const char ***outputs, struct onnx_attribute **attributes,
                                 akin_error *err)
{
    const void *data = message->data;
    size_t in = protobuf_count(data, message->size, ONNX_NODE_INPUT);
    size_t out = protobuf_count(data, message->size, ONNX_NODE_OUTPUT);
    size_t set = protobuf_count(data, message->size, ONNX_NODE_ATTRIBUTE);
    akin_status status =
        allocate(inputs, graph, in, sizeof **inputs, ONNX_LINKS_MAX, "an operator's inputs", err);
    if (status == AKIN_OK)
        status = allocate(outputs, graph, out, sizeof **outputs, ONNX_LINKS_MAX,
                          "an operator's outputs", err);
    if (status == AKIN_OK)
        status = allocate(attributes, graph, set, sizeof **attributes, ATTRIBUTES_MAX,
                          "an operator's attributes", err);
    if (status == AKIN_OK)
        *node = (struct onnx_node){.op = "",
                                   .name = "",
                                   .domain = "",
                                   .inputs = *inputs,
                                   .outputs = *outputs,
                                   .attributes = *attributes};
    return status;
}

static akin_status read_node(struct onnx_graph *graph, const struct protobuf_field *message,
                             struct onnx_node *out, akin_error *err)
{
    struct protobuf_reader reader = protobuf_begin(message->data, message->size);
    struct protobuf_field field;
    const char **inputs, **outputs;
    struct onnx_attribute *attributes;
    akin_status status = allocate_node(graph, message, out, &inputs, &outputs, &attributes, err);
    while (status == AKIN_OK && protobuf_next(&reader, &field))
        switch (field.number) {
        case ONNX_NODE_INPUT:
            status = copy_text(&inputs[out->input_count++], graph, &field, err);
            break;
        case ONNX_NODE_OUTPUT:
            status = copy_text(&outputs[out->output_count++], graph, &field, err);
            break;
        case ONNX_NODE_ATTRIBUTE:
            status = read_attribute(graph, &field, &attributes[out->attribute_count++], err);
            break;
        case ONNX_NODE_NAME:
            status = copy_text(&out->name, graph, &field, err);
            break;
        case ONNX_NODE_OP:
            status = copy_text(&out->op, graph, &field, err);
            break;
        case ONNX_NODE_DOMAIN:
            status = copy_text(&out->domain, graph, &field, err);
            break;
        default:
            break;
        }
    if (status == AKIN_OK && (reader.broken || message->wire != PROTOBUF_BYTES || !out->op[0]))
        status = corrupt(graph, "an operator", err);
    return status;
}

/* ---- the graph and the model ---- */

static int by_name(const void *a, const void *b)
{
    const struct onnx_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static akin_status allocate_graph(struct onnx_graph *graph, const struct protobuf_field *message,
                                  akin_error *err)
{
    const void *data = message->data;
    size_t size = message->size;
    akin_status status = allocate(&graph->nodes, graph, protobuf_count(data, size, ONNX_GRAPH_NODE),
                                  sizeof *graph->nodes, ONNX_NODES_MAX, "operators", err);
    if (status == AKIN_OK)
        status =
            allocate(&graph->tensors, graph, protobuf_count(data, size, ONNX_GRAPH_INITIALIZER),
                     sizeof *graph->tensors, ONNX_NODES_MAX, "tensors", err);
    if (status == AKIN_OK)
        status = allocate(&graph->inputs, graph, protobuf_count(data, size, ONNX_GRAPH_INPUT),
                          sizeof *graph->inputs, ONNX_NODES_MAX, "inputs", err);
    if (status == AKIN_OK)
        status = allocate(&graph->outputs, graph, protobuf_count(data, size, ONNX_GRAPH_OUTPUT),
                          sizeof *graph->outputs, ONNX_NODES_MAX, "outputs", err);
    return status;
}

/* Before IR version 4 every initialiser was among the inputs, too. */
static void drop_constant_inputs(struct onnx_graph *graph)
{
    size_t kept = 0;
    for (size_t i = 0; i < graph->input_count; i++)
        if (!onnx_find_tensor(graph, graph->inputs[i].name))
            graph->inputs[kept++] = graph->inputs[i];
    graph->input_count = kept;
}

static akin_status read_graph(struct onnx_graph *graph, const struct protobuf_field *message,
                              akin_error *err)
{
    struct protobuf_reader reader = protobuf_begin(message->data, message->size);
    struct protobuf_field field;
    akin_status status = allocate_graph(graph, message, err);
    while (status == AKIN_OK && protobuf_next(&reader, &field)) {
        if (field.number == ONNX_GRAPH_NODE)
            status = read_node(graph, &field, &graph->nodes[graph->node_count++], err);
        else if (field.number == ONNX_GRAPH_INITIALIZER)
            status = read_tensor(graph, &field, &graph->tensors[graph->tensor_count++], err);
        else if (field.number == ONNX_GRAPH_INPUT)
            status = read_value(graph, &field, &graph->inputs[graph->input_count++], err);
        else if (field.number == ONNX_GRAPH_OUTPUT)
            status = read_value(graph, &field, &graph->outputs[graph->output_count++], err);
    }
    if (status == AKIN_OK && reader.broken)
        status = corrupt(graph, "the graph", err);
    if (status != AKIN_OK)
        return status;
    qsort(graph->tensors, graph->tensor_count, sizeof *graph->tensors, by_name);
    drop_constant_inputs(graph);
    return AKIN_OK;
}

/* OperatorSetIdProto: of ONNX's own operators, whose domain is "" or "ai.onnx". */
static void read_opset(struct onnx_graph *graph, const struct protobuf_field *message)
{
    struct protobuf_field domain = {0}, version = {0};
    inner_message(&domain, message, ONNX_OPSET_DOMAIN);
    if ((domain.size == 0 || (domain.size == 7 && !memcmp(domain.data, "ai.onnx", 7))) &&
        inner_message(&version, message, ONNX_OPSET_VERSION))
        graph->opset = (int64_t)version.value;
}

static akin_status read_model(struct onnx_graph *graph, const void *bytes, size_t size,
                              akin_error *err)
{
    struct protobuf_reader reader = protobuf_begin(bytes, size);
    struct protobuf_field field, inner = {0};
    akin_status status = AKIN_OK;
    graph->producer = "";
    while (status == AKIN_OK && protobuf_next(&reader, &field)) {
        if (field.number == ONNX_MODEL_IR && field.wire == PROTOBUF_VARINT)
            graph->ir_version = (int64_t)field.value;
        else if (field.number == ONNX_MODEL_PRODUCER)
            status = copy_text(&graph->producer, graph, &field, err);
        else if (field.number == ONNX_MODEL_OPSET)
            read_opset(graph, &field);
        else if (field.number == ONNX_MODEL_GRAPH && field.wire == PROTOBUF_BYTES)
            inner = field;
    }
    if (status == AKIN_OK && (reader.broken || !inner.data || graph->ir_version < 1))
        status = corrupt(graph, "the model", err);
    if (status == AKIN_OK)
        status = read_graph(graph, &inner, err);
    if (status == AKIN_OK && (!graph->node_count || !graph->output_count))
        status = corrupt(graph, "a graph with operators and outputs", err);
    return status;
}

akin_status onnx_parse(struct onnx_graph **out, const void *bytes, size_t size, const char *what,
                       akin_error *err)
{
    struct onnx_graph *graph = akin_alloc_zero(1, sizeof *graph);
    if (!graph)
        return akin_error_memory(err, sizeof *graph, "an ONNX graph");
    akin_status status = akin_arena_create(&graph->arena, ARENA_BYTES_MAX, err);
    if (status == AKIN_OK && !(graph->what = akin_arena_strdup(graph->arena, what)))
        status = akin_error_memory(err, strlen(what), "an ONNX graph");
    if (status == AKIN_OK)
        status = read_model(graph, bytes, size, err);
    if (status == AKIN_OK)
        *out = graph;
    else
        onnx_free(graph);
    return status;
}

void onnx_free(struct onnx_graph *graph)
{
    if (!graph)
        return;
    akin_arena_free(graph->arena);
    akin_free(graph);
}

/* ---- looking ---- */

const struct onnx_tensor *onnx_find_tensor(const struct onnx_graph *graph, const char *name)
{
    const struct onnx_tensor key = {.name = name};
    return bsearch(&key, graph->tensors, graph->tensor_count, sizeof key, by_name);
}

const struct onnx_attribute *onnx_find_attribute(const struct onnx_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->attribute_count; i++)
        if (!strcmp(node->attributes[i].name, name))
            return &node->attributes[i];
    return NULL;
}

static akin_status check_readable(const struct onnx_graph *graph, const struct onnx_tensor *tensor,
                                  int element, akin_error *err)
{
    if (tensor->why)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s': tensor '%.80s': %s", graph->what,
                              tensor->name, tensor->why);
    if (tensor->element != element)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s': tensor '%.80s' is %s, not %s",
                              graph->what, tensor->name, onnx_element_name(tensor->element),
                              onnx_element_name(element));
    return AKIN_OK;
}

akin_status onnx_floats(const struct onnx_graph *graph, const struct onnx_tensor *tensor,
                        float *out, akin_error *err)
{
    akin_status status = check_readable(graph, tensor, ONNX_FLOAT, err);
    if (status == AKIN_OK && tensor->packed_varints)
        return corrupt(graph, "a tensor", err);
    if (status == AKIN_OK && tensor->count)
        memcpy(out, tensor->data, tensor->count * sizeof *out);
    return status;
}

akin_status onnx_integers(const struct onnx_graph *graph, const struct onnx_tensor *tensor,
                          int64_t *out, akin_error *err)
{
    akin_status status = check_readable(graph, tensor, ONNX_INT64, err);
    if (status != AKIN_OK)
        return status;
    if (!tensor->packed_varints) {
        if (tensor->count)
            memcpy(out, tensor->data, tensor->count * sizeof *out);
        return AKIN_OK;
    }
    struct protobuf_reader reader = protobuf_begin(tensor->data, tensor->bytes);
    uint64_t value;
    size_t count = 0;
    for (; count < tensor->count && protobuf_next_varint(&reader, &value); count++)
        out[count] = (int64_t)value;
    return count == tensor->count && reader.at == reader.end
               ? AKIN_OK
               : corrupt(graph, "a tensor of integers", err);
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

void onnx_operators(const struct onnx_graph *graph, char *out, size_t size)
{
    const char **names = akin_alloc(graph->node_count, sizeof *names);
    size_t used = 0;
    out[0] = '\0';
    if (!names)
        return; /* words for a person: less of them is no fault */
    for (size_t i = 0; i < graph->node_count; i++)
        names[i] = graph->nodes[i].op;
    qsort(names, graph->node_count, sizeof *names, by_text);
    for (size_t i = 0; i < graph->node_count && used + 1 < size; i++)
        if (!i || strcmp(names[i], names[i - 1]) != 0)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", names[i]);
    akin_free(names);
}
