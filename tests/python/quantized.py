"""Compares a quantised network in onnxruntime with the program, tensor by tensor and bit by bit.

    python3 tests/python/quantized.py network.onnx activations.safetensors

The second file has what the program computed: `images` [N, C, H, W] bytes, each `<name>.quantized` bytes, `logits` f32. Prints the number of
values that differ in each tensor, and exits with 1 if any does.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file


def apart_from_relu(model):
    """Quantises the input of each Relu too, which changes no value. onnxruntime runs an operator with a Relu between it and signed bytes on
    floats; with unsigned bytes it drops the Relu. It also does so if the bytes are outputs: of signed ones only the logits are compared.
    """
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Relu":
            after = next(n for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == node.output[0])
            names = [node.input[0] + ".bytes", node.input[0] + ".real"]
            nodes.append(onnx.helper.make_node("QuantizeLinear", [node.input[0], *after.input[1:]], names[:1]))
            nodes.append(onnx.helper.make_node("DequantizeLinear", [names[0], *after.input[1:]], names[1:]))
            node.input[0] = names[1]
        nodes.append(node)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def main():
    path, activations = sys.argv[1:]
    expected = load_file(activations)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    metadata = {p.key: json.loads(p.value) for p in model.metadata_props}
    types = {i.name: i.data_type for i in model.graph.initializer}
    signed = types["input.zero_point"] == onnx.TensorProto.INT8
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and not signed:
            value = onnx.helper.make_tensor_value_info(node.output[0], types[node.input[2]], None)
            model.graph.output.append(value)
    options = onnxruntime.SessionOptions()
    if signed:
        apart_from_relu(model)
    else:
        # Without it, machines without VNNI saturate the sums of two products.
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = expected.pop("images")
    name = session.get_inputs()[0].name
    if name == "input":
        mean, std = (np.float32(metadata[key]).reshape(-1, 1, 1) for key in ("mean", "std"))
        images = (images.astype(np.float32) / np.float32(255) - mean) / std
    names = [value.name for value in session.get_outputs()]
    found = dict(zip(names, session.run(names, {name: images})))
    expected = {name: values for name, values in expected.items() if name in found}
    assert expected, "nothing to compare"
    different = 0
    for name, values in expected.items():
        other = found[name]
        assert (other.shape, other.dtype) == (values.shape, values.dtype), (name, other.shape, other.dtype, values.shape)
        count = int((other.view(np.uint8) != values.view(np.uint8)).sum())
        different += count
        print(f"{name}: {count} of {values.size} values differ")
    print(f"onnxruntime {onnxruntime.__version__}: {len(expected)} tensors, {different} values differ")
    sys.exit(different > 0)


main()
