/*
 * Fuzzes the ONNX reader. What it takes is whole: every name is there, every tensor that says it
 * can be read lies within the input; what it refuses it says why.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/model/onnx_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_tensor(const struct onnx_graph *graph, const struct onnx_tensor *tensor,
                           size_t size)
{
    bool is_integer = tensor->element == ONNX_INT64;
    if (tensor->why || !(is_integer || tensor->element == ONNX_FLOAT))
        return;
    if (tensor->count > size)
        abort();
    void *out = malloc((tensor->count + 1) * sizeof(int64_t));
    if (is_integer)
        onnx_integers(graph, tensor, out, NULL);
    else
        onnx_floats(graph, tensor, out, NULL);
    free(out);
}

static void look_at_node(const struct onnx_graph *graph, const struct onnx_node *node, size_t size)
{
    size_t letters = strlen(node->op) + strlen(node->name) + strlen(node->domain);
    for (uint32_t i = 0; i < node->input_count; i++)
        letters += strlen(node->inputs[i]);
    for (uint32_t i = 0; i < node->output_count; i++)
        letters += strlen(node->outputs[i]);
    for (uint32_t i = 0; i < node->attribute_count; i++) {
        const struct onnx_attribute *attribute = &node->attributes[i];
        letters += strlen(attribute->name) + (attribute->s ? strlen(attribute->s) : 0);
        if (attribute->count > ONNX_RANK_MAX)
            abort();
        if (attribute->tensor)
            look_at_tensor(graph, attribute->tensor, size);
    }
    if (letters > size)
        abort();
}

/* A net that is made names only values that there are. */
static void look_at_net(const struct onnx_graph *graph)
{
    struct onnx_net *net = NULL;
    akin_error err = {0};
    if (onnx_net_create(&net, graph, 16, &err) != AKIN_OK) {
        if (net || !err.text[0])
            abort();
        return;
    }
    for (size_t i = 0; i < net->step_count; i++)
        if (net->steps[i].in[0] > i || net->steps[i].in[1] > i || net->steps[i].out != i + 1)
            abort();
    if (net->output > net->step_count)
        abort();
    onnx_net_free(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct onnx_graph *graph = NULL;
    akin_error err = {0};
    char operators[64];
    if (onnx_parse(&graph, data, size, "input", &err) != AKIN_OK) {
        if (graph || !err.text[0])
            abort();
        return 0;
    }
    for (size_t i = 0; i < graph->node_count; i++)
        look_at_node(graph, &graph->nodes[i], size);
    for (size_t i = 0; i < graph->tensor_count; i++)
        look_at_tensor(graph, &graph->tensors[i], size);
    for (size_t i = 0; i < graph->input_count; i++)
        if (onnx_find_tensor(graph, graph->inputs[i].name))
            abort();
    look_at_net(graph);
    onnx_operators(graph, operators, sizeof operators);
    onnx_free(graph);
    return 0;
}
