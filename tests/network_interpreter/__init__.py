"""What a TensorRT network computes, in NumPy: no GPU, and no engine.

It follows an INetworkDefinition layer by layer and so checks what the parser made of a graph, types included;
it does not check TensorRT's kernels. A layer it does not know is an error that names it.
"""

from network_interpreter.interpreter import NetworkInterpreter, UnknownLayer

__all__ = ["NetworkInterpreter", "UnknownLayer"]
