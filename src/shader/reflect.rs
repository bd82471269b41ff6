//! What a shader declares: its bindings, workgroup size and structs.
