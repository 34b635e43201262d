/** Times a graph one operation at a time. */
import type { CpuBackend } from "./backend.ts";
import { TYPE_NAMES, type TypeName } from "./constants.ts";
import { type GraphHandle, type Tensor, textAt } from "./ffi.ts";
import { TensorContext } from "./tensor_context.ts";

/** How long one operation took. */
export interface OperationTime {
  /** ggml's name for it, such as `MUL_MAT`. */
  name: string;
  /** Type of its first operand. */
  type: TypeName | undefined;
  shape: readonly number[];
  /** Shape of its result. */
  resultShape: readonly number[];
  ms: number;
}

/** Offsets in `struct ggml_tensor` of ggml.h; `checkLibrary` has verified its size. */
const TYPE_OFFSET = 0;
const SHAPE_OFFSET = 16;
const SOURCES_OFFSET = 152;

/** Operations that only reinterpret memory; they compute nothing. */
const VIEWS = new Set(["NONE", "RESHAPE", "VIEW", "PERMUTE", "TRANSPOSE"]);

function shapeOf(tensor: Tensor): number[] {
  const view = new Deno.UnsafePointerView(tensor);
  return [0, 1, 2, 3].map((index) => Number(view.getBigInt64(SHAPE_OFFSET + index * 8)));
}

/** Computes and times every operation of a graph whose memory has been placed. */
export async function profileGraph(backend: CpuBackend, graph: GraphHandle): Promise<OperationTime[]> {
  const { ggml } = backend;
  const times: OperationTime[] = [];
  for (let index = 0; index < ggml.ggml_graph_n_nodes(graph); index++) {
    const node = ggml.ggml_graph_node(graph, index);
    if (node === null) continue;
    const name = textAt(ggml.ggml_op_desc(node));
    if (VIEWS.has(name)) continue;
    const source: Tensor | null = new Deno.UnsafePointerView(node).getPointer(SOURCES_OFFSET);
    using context = new TensorContext(ggml, { tensors: 1, graphNodes: 1 });
    const single = context.graph(1);
    ggml.ggml_graph_add_node(single, node);
    const startedMs = performance.now();
    await backend.compute(single);
    times.push({
      name,
      type: source ? TYPE_NAMES.get(new Deno.UnsafePointerView(source).getInt32(TYPE_OFFSET)) : undefined,
      shape: source ? shapeOf(source) : [],
      resultShape: shapeOf(node),
      ms: performance.now() - startedMs,
    });
  }
  return times;
}
