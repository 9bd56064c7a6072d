from .json_form import answers_keep_their_form as answers_keep_their_form
from .language import answers_keep_their_language as answers_keep_their_language
from .recurring import no_answer_recurs as no_answer_recurs
from .slices import SliceFloors as SliceFloors
from .slices import no_slice_is_left_behind as no_slice_is_left_behind
