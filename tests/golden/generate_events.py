"""Writes events_golden.h: messages as TensorBoard's own protocol buffers serialize them, and records as
its writer frames them."""
import io
import pathlib

from google.protobuf import struct_pb2
from tensorboard.compat.proto import (attr_value_pb2, event_pb2, graph_pb2, node_def_pb2, summary_pb2,
                                      tensor_pb2, tensor_shape_pb2, types_pb2, versions_pb2)
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter


def value_event(step, **value):
    return event_pb2.Event(step=step, summary=summary_pb2.Summary(
        value=[summary_pb2.Summary.Value(**value)]))


def metadata(plugin, content=b""):
    return summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(
        plugin_name=plugin, content=content))


def histogram():
    values = [-1.0, -0.5, 0.0, 0.25, 2.0, 2.0]
    width = 3.0 / 30
    limits = [-1.0 + (i + 1) * width for i in range(29)] + [2.0]
    counts = [0.0] * 30
    for v in values:
        counts[min(29, int((v + 1.0) * (30 / 3.0)))] += 1
    return summary_pb2.HistogramProto(min=-1, max=2, num=6, sum=sum(values),
                                      sum_squares=sum(v * v for v in values), bucket_limit=limits,
                                      bucket=counts)


def node(name, op, inputs, dims, dtype, note=None):
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=d) for d in dims])
    made = node_def_pb2.NodeDef(name=name, op=op, input=inputs)
    made.attr["_output_shapes"].list.shape.append(shape)
    if note:
        made.attr["attributes"].s = note.encode()
    made.attr["dtype"].type = dtype
    return made


def plugin(tag, **data):
    return value_event(0, tag=tag, metadata=metadata(
        "hparams", plugin_data_pb2.HParamsPluginData(**data).SerializeToString(deterministic=True)))


def messages():
    text = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"# words"],
                                  tensor_shape=tensor_shape_pb2.TensorShapeProto(
                                      dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]))
    graph = graph_pb2.GraphDef(
        node=[node("x", "Placeholder", [], [1, 4], types_pb2.DT_FLOAT),
              node("dense/matmul_3", "matmul", ["x", "dense/kernel"], [1, 300], types_pb2.DT_DOUBLE,
                   "transpose_b=true")],
        versions=versions_pb2.VersionDef(producer=22))
    experiment = api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name="rate", type=api_pb2.DATA_TYPE_FLOAT64),
                      api_pb2.HParamInfo(name="optimizer", type=api_pb2.DATA_TYPE_STRING)],
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag="train/loss"))])
    return {
        "version": event_pb2.Event(file_version="brain.Event:2"),
        "scalar": value_event(3, tag="train/loss", simple_value=0.1),
        "negative": value_event(-1, tag="a", simple_value=-2.5),
        "histogram": value_event(300, tag="weights/dense/kernel", histo=histogram()),
        "text": value_event(0, tag="recipe", tensor=text, metadata=metadata("text")),
        "restart": event_pb2.Event(step=7, session_log=event_pb2.SessionLog(
            status=event_pb2.SessionLog.START)),
        "graph": event_pb2.Event(graph_def=graph.SerializeToString(deterministic=True)),
        "experiment": plugin("_hparams_/experiment", experiment=experiment),
    }


def array(name, data):
    rows = [f"static const unsigned char golden_{name}[] = {{"]
    for i in range(0, len(data), 16):
        rows.append("    " + " ".join(f"0x{b:02x}," for b in data[i:i + 16]))
    return rows + ["};"]


def record(data):
    buffer = io.BytesIO()
    buffer.close = lambda: None
    RecordWriter(buffer).write(data)
    return buffer.getvalue()


def main():
    rows = ["/* TensorBoard 2.21: events as its protocol buffers serialize them (without wall_time, map keys",
            " * sorted), and a record as its writer frames it. Equal byte by byte. */",
            "#ifndef TESTS_GOLDEN_EVENTS_GOLDEN_H", "#define TESTS_GOLDEN_EVENTS_GOLDEN_H", ""]
    for name, message in messages().items():
        rows += array(name, message.SerializeToString(deterministic=True))
    rows += array("record", record(b"some bytes of a record")) + ["", "#endif", ""]
    pathlib.Path(__file__).with_name("events_golden.h").write_text("\n".join(rows))


if __name__ == "__main__":
    main()
