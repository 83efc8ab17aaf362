#!/bin/bash
# A cohort as a Slurm array: one shard a task. Submit it, then the job that joins the shards:
#   job=$(sbatch --parsable slurm.sh)
#   sbatch --dependency=afterok:$job --wrap 'camlucida merge runs/nih-shards --out runs/nih'
# A task that was preempted or killed goes on where it stopped: submit the same array again.
#SBATCH --job-name=camlucida
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-task=1
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail

camlucida run "${COHORT:-cohort.toml}" --out "${OUT:-runs/nih-shards}" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --resume
