"""Plan, run, record, compare and render: everything between a named activation and a row of the leaderboard."""
