#!/bin/bash
# One bench on eight machines: each task of the array answers an eighth of the questions.
#
#   sbatch deploy/slurm-array.sh --model openai:MODEL@URL --task questions.jsonl -m simple -m "sc(n=8)"
#   ttscale bench merge runs/all.db runs/shard-*.db
#
# A task that was killed and is started again (--requeue, or the same line) goes on where it stopped.
#SBATCH --job-name=ttscale-bench
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail

store="${TTSCALE_RUNS:-runs}/shard-$SLURM_ARRAY_TASK_ID.db"
if [ -e "$store" ]; then
  exec ttscale bench resume "$store" --quiet
fi
exec ttscale bench run "$@" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --out "$store" --quiet
