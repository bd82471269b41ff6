// The entry point of a kernel whose workgroups are one subgroup of LANES each: run(group, lane), as entry/workgroups.wgsl.
//
// needs: LANES, WORKGROUPS, run

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let group = workgroup.y * workgroups.x + workgroup.x;
    if group < WORKGROUPS {
        run(group, lane);
    }
}
