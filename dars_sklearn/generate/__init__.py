"""Backends that generate sampled responses to prompts."""

from dars_sklearn.generate._llama_cpp import LlamaCppBackend
from dars_sklearn.generate._openai import OpenAIBackend
from dars_sklearn.generate._protocol import Backend, BackendError, Response, ask
from dars_sklearn.generate._vllm import VLLMBackend

__all__ = [
    "Backend",
    "BackendError",
    "LlamaCppBackend",
    "OpenAIBackend",
    "Response",
    "VLLMBackend",
    "ask",
]
