// The entry point of a kernel that computes COUNT things independently of each other: each(i) for every i below COUNT.
//
// needs: COUNT, WORKGROUP, each

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP + local;
    if i < COUNT {
        each(i);
    }
}
