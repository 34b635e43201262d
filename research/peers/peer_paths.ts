/** Says where the tools that ml and its training are measured against are installed. */
import { join } from "node:path";
import { projectPath } from "../../tools/service_process.ts";

/** Git ignores it. */
export const PEERS_DIR = projectPath("data/peers");
/** The Python that has PyTorch, transformers and PEFT. */
export const PEFT_PYTHON = join(PEERS_DIR, "peft/bin/python");
export const PEFT_SCRIPT = projectPath("research/peers/peft_peer.py");
/** The small model as the peers read it. */
export const PEFT_MODELS = join(PEERS_DIR, "models");
export const FINETUNE_MODEL = join(PEFT_MODELS, "small-f32.gguf");
/** llama.cpp's source, as node-llama-cpp's package carries it, and what is built from it. */
export const LLAMA_SOURCE = join(PEERS_DIR, "llama.cpp");
const LLAMA_TOOLS = join(LLAMA_SOURCE, "build/bin");
/** The Python that has FastAPI and llama-cpp-python. */
export const FASTAPI_PYTHON = join(PEERS_DIR, "fastapi/bin/python");
export const FASTAPI_SCRIPT = projectPath("research/peers/fastapi_peer.py");
/** Training of all weights. */
export const FINETUNE = join(LLAMA_TOOLS, "llama-finetune");
export const QUANTIZE = join(LLAMA_TOOLS, "llama-quantize");
