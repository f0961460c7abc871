# prompt.zsh HOOK COUNT MODE: draw COUNT prompts; MODE is none, hook, or forget (the hook, its memory lost each time).
typeset -i count=$2 i
PROMPT='%n@%m:%~%# '
[[ $3 == none ]] || source $1
case $3 in
  (none) for (( i = 0; i < count; i++ )); do : "${(%%)PROMPT}${(%%)RPROMPT}"; done ;;
  (hook) for (( i = 0; i < count; i++ )); do _vibeusage_precmd; : "${(%%)PROMPT}${(%%)RPROMPT}"; done ;;
  (forget) for (( i = 0; i < count; i++ )); do _vibeusage_looked=0; _vibeusage_precmd; : "${(%%)PROMPT}${(%%)RPROMPT}"; done ;;
esac
[[ $3 == none || $count == 0 || -n $VIBEUSAGE_SEGMENT ]]
exit
