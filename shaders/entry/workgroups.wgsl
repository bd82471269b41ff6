// The entry point of a kernel whose workgroups share their work: run(group, local) for the invocations of each of WORKGROUPS
// workgroups. All invocations of a workgroup call it together.
//
// needs: WORKGROUP, WORKGROUPS, run

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let group = workgroup.y * workgroups.x + workgroup.x;
    if group < WORKGROUPS {
        run(group, local);
    }
}
