// As entry/each.wgsl, but `each` checks i itself: against arrayLength, so that one pipeline serves all sizes.
//
// needs: WORKGROUP, each

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    each((workgroup.y * workgroups.x + workgroup.x) * WORKGROUP + local);
}
