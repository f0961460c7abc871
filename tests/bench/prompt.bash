# prompt.bash HOOK COUNT MODE: draw COUNT prompts; MODE is none, hook, or forget (the hook, its memory lost each time).
count=$2
PS1='\u@\h:\w\$ '
[[ $3 == none ]] || source "$1"
case $3 in
  none) for ((i = 0; i < count; i++)); do : "${PS1@P}"; done ;;
  hook) for ((i = 0; i < count; i++)); do _vibeusage_prompt; : "${PS1@P}"; done ;;
  forget) for ((i = 0; i < count; i++)); do _vibeusage_looked='' && _vibeusage_prompt; : "${PS1@P}"; done ;;
esac
[[ $3 == none || $count == 0 || $VIBEUSAGE_SEGMENT ]]
exit
