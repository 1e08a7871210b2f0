"""The Open Inference Protocol over gRPC; nothing here is imported where gRPC is off."""
