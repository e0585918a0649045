"""`make eval`: how right `findings` is, on simulated ISPs whose truth is known and on which its rules were not tuned.

The rules may look at seeds 1 to 9 of `op25b synth` with its own parameters; here the seeds begin at 101, and most
worlds change the parameters too (see `worlds`). `outcomes` says what counts as right, `costs` what errors weigh,
`budgets` what must be kept.
"""
