# prompt.zsh HOOK COUNT MODE: draw COUNT prompts; MODE is none, hook, look or read (the hook as at the first prompt of a
# second, or as after a change of the stored segment).
typeset -i count=$2 i
PROMPT='%n@%m:%~%# '
[[ $3 == none ]] || source $1
draw() { : "${(%%)PROMPT}${(%%)RPROMPT}" }
case $3 in
  (none) for (( i = 0; i < count; i++ )); do draw; done ;;
  (hook) for (( i = 0; i < count; i++ )); do _vibeusage_precmd; draw; done ;;
  (look) for (( i = 0; i < count; i++ )); do _vibeusage_looked=0; _vibeusage_precmd; draw; done ;;
  (read) for (( i = 0; i < count; i++ )); do _vibeusage_looked=0 _vibeusage_seen=; _vibeusage_precmd; draw; done ;;
esac
[[ $3 == none || $count == 0 || -n $VIBEUSAGE_SEGMENT && $_vibeusage_looked -gt 0 && -n $_vibeusage_seen ]]
exit
