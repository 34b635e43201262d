/** Owns telling where a graph's time goes: it is computed one operation at a time, each with its own stopwatch. */
import type { CpuBackend } from "./backend.ts";
import { TYPE_NAMES, type TypeName } from "./constants.ts";
import { type GraphHandle, type Tensor, textAt } from "./ffi.ts";
import { TensorContext } from "./tensor_context.ts";

/** What one operation took. */
export interface OperationTime {
  /** ggml's name for it, such as `MUL_MAT`. */
  name: string;
  /** Its first operand. */
  type: TypeName | undefined;
  shape: readonly number[];
  /** Its result. */
  resultShape: readonly number[];
  ms: number;
}

/** Where `struct ggml_tensor` of ggml.h has what is read of it; `checkLibrary` has checked its size. */
const TYPE_OFFSET = 0;
const SHAPE_OFFSET = 16;
const SOURCES_OFFSET = 152;

/** Operations that say how to read memory; nothing is computed. */
const VIEWS = new Set(["NONE", "RESHAPE", "VIEW", "PERMUTE", "TRANSPOSE"]);

function shapeOf(tensor: Tensor): number[] {
  const view = new Deno.UnsafePointerView(tensor);
  return [0, 1, 2, 3].map((index) => Number(view.getBigInt64(SHAPE_OFFSET + index * 8)));
}

/** Computes every operation of a graph that has its memory. */
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
